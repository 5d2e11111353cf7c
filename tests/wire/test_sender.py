from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import httpx
import pytest

from batchgen.errors import CredentialRejected, OutcomeUnknown, RequestInvalid
from batchgen.model import Blob, Call
from batchgen.providers._decoding import decode_base64
from batchgen.wire.body_decoding import decode_body
from batchgen.wire.lenient_json import JsonTooLarge
from batchgen.wire.sender import Wire
from tests.wire.server import Peer, ScriptedServer, answer, reply, serve

T = TypeVar("T")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8

pytestmark = pytest.mark.anyio


def call_to(url: str, **json_body: object) -> Call:
    return Call(
        method="POST",
        url=f"{url}/v1/images?x=%2Fa",
        headers={"authorization": "Bearer sk-test"},
        json=json_body,
        blob_keys=frozenset({"b64_json"}),
    )


async def test_a_call_arrives_as_it_was_written_and_nothing_is_added(
    wire: Wire,
) -> None:
    with ScriptedServer(answer(reply())) as server:
        await wire.send("acme", call_to(server.url, prompt="é漢"), reply_timeout_s=2)

    (request,) = server.requests
    assert request.line == "POST /v1/images?x=%2Fa HTTP/1.1"
    assert json.loads(request.body) == {"prompt": "é漢"}
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json, image/*;q=0.9",
        "accept-encoding": "identity",
        "authorization": "Bearer sk-test",
        "content-type": "application/json",
        "content-length": str(len(request.body)),
        "user-agent": "batchgen",
    }


async def test_a_large_body_arrives_whole(wire: Wire) -> None:
    picture = base64.b64encode(bytes(3_000_000)).decode()

    with ScriptedServer(answer(reply())) as server:
        await wire.send("acme", call_to(server.url, image=picture), reply_timeout_s=5)

    assert json.loads(server.requests[0].body) == {"image": picture}


async def test_money_is_exact_and_base64_becomes_a_blob(wire: Wire) -> None:
    image = base64.b64encode(PNG).decode()
    body = json.dumps({"data": [{"b64_json": image, "b64": image}]})[:-1]
    body += ', "cost": 0.1000000000000000055, "n": 3}'

    with ScriptedServer(answer(reply(body.encode(), headers=("X-Id: 7",)))) as server:
        result = await wire.send("acme", call_to(server.url), reply_timeout_s=2)

    assert result.status == 200
    assert result.headers["x-id"] == "7"
    assert result.body == {
        "data": [{"b64_json": Blob(PNG), "b64": image}],
        "cost": Decimal("0.1000000000000000055"),
        "n": 3,
    }


async def test_a_redirect_of_a_purchase_is_a_reply_and_not_followed(
    wire: Wire,
) -> None:
    with ScriptedServer(serve(reply())) as elsewhere:
        redirect = reply(status="302 Found", headers=(f"location: {elsewhere.url}",))
        with ScriptedServer(answer(redirect)) as server:
            result = await wire.send("acme", call_to(server.url), reply_timeout_s=2)

    assert result.status == 302
    assert result.headers["location"] == elsewhere.url
    assert elsewhere.requests == []


async def test_a_cookie_is_not_sent_back(wire: Wire) -> None:
    with ScriptedServer(serve(reply(headers=("set-cookie: a=b; path=/",)))) as server:
        await wire.send("acme", call_to(server.url), reply_timeout_s=2)
        await wire.send("acme", call_to(server.url), reply_timeout_s=2)

    assert ["cookie" in request.headers for request in server.requests] == [
        False,
        False,
    ]


async def test_a_password_file_adds_no_header(
    wire: Wire,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    with ScriptedServer(answer(reply())) as server:
        await wire.send("acme", Call(method="GET", url=server.url), reply_timeout_s=2)

    assert "authorization" not in server.requests[0].headers


async def test_a_long_header_loses_no_reply(wire: Wire) -> None:
    data = reply(headers=(f"content-security-policy: {'x' * 30_000}",))

    with ScriptedServer(answer(data)) as server:
        result = await wire.send("acme", call_to(server.url), reply_timeout_s=2)

    assert result.body == {}


async def test_an_answer_before_the_upload_is_read_is_taken(wire: Wire) -> None:
    def script(peer: Peer) -> None:
        peer.socket.recv(1024)
        peer.say(reply(b'{"error": "too large"}', status="413 Too Large"))
        peer.be_silent()

    with ScriptedServer(script) as server:
        call = call_to(server.url, image="x" * 5_000_000)
        result = await wire.send("acme", call, reply_timeout_s=2)

    assert result.status == 413
    assert result.body == {"error": "too large"}


async def test_a_reply_that_overlaps_its_upload_is_taken_whole(wire: Wire) -> None:
    size = 5_000_000

    def script(peer: Peer) -> None:
        left = size - len(peer.socket.recv(1024))
        whole = reply(b'{"done": true}')
        peer.say(whole[:-5])
        while left > 0:
            left -= len(peer.socket.recv(1_000_000))
        peer.say(whole[-5:])

    with ScriptedServer(script) as server:
        call = call_to(server.url, image="x" * size)
        result = await wire.send("acme", call, reply_timeout_s=2)

    assert result.body == {"done": True}


async def test_an_upload_that_nobody_reads_is_given_up(wire: Wire) -> None:
    with ScriptedServer(Peer.be_silent) as server:
        call = call_to(server.url, image="x" * 20_000_000)
        with pytest.raises(OutcomeUnknown):
            await wire.send("acme", call, reply_timeout_s=0.2)


async def test_interim_answers_are_passed_over(wire: Wire) -> None:
    data = b"HTTP/1.1 103 Early Hints\r\n\r\n" + reply(b'{"a": 1}')

    with ScriptedServer(answer(data)) as server:
        result = await wire.send("acme", call_to(server.url), reply_timeout_s=2)

    assert result.body == {"a": 1}


async def test_a_key_that_cannot_stand_in_a_header_is_named_before_it_leaves(
    wire: Wire,
) -> None:
    with ScriptedServer(answer(reply())) as server:
        call = Call(
            method="POST", url=server.url, headers={"authorization": "Bearer a\nb"}
        )
        with pytest.raises(CredentialRejected) as caught:
            await wire.send("acme", call, reply_timeout_s=1)

    assert server.connections == 0
    assert "a\nb" not in str(caught.value)


async def test_a_url_that_is_none_is_an_invalid_request(wire: Wire) -> None:
    with pytest.raises(RequestInvalid):
        await wire.send(
            "acme", Call(method="GET", url="http://x/\n"), reply_timeout_s=1
        )


async def test_long_decoding_goes_through_offload_and_short_does_not() -> None:
    sizes: list[int] = []

    async def offload(work: Callable[[], T]) -> T:
        done = work()
        sizes.append(len(str(done)))
        return done

    small = reply(b'{"a": 1}')
    large = reply(b'{"a": "%s"}' % (b"x" * 300_000))
    with ScriptedServer(serve(small, large)) as server:
        async with Wire(paid_hosts=False, offload=offload) as wire:
            await wire.send("acme", call_to(server.url), reply_timeout_s=2)
            assert sizes == []
            await wire.send("acme", call_to(server.url), reply_timeout_s=2)

    assert len(sizes) == 1


@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
async def test_any_httpx_client_will_do_on_any_loop() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/lost":
            raise httpx.ReadError("lost")
        return httpx.Response(200, json={"path": request.url.path})

    def inline(work: Callable[[], T]) -> Awaitable[T]:
        async def run() -> T:
            return work()

        return run()

    events: list[str] = []
    async with Wire(
        httpx.MockTransport(respond), paid_hosts=False, offload=inline
    ) as wire:
        result = await wire.send(
            "acme",
            Call(method="POST", url="http://127.0.0.1/v1", json={}),
            reply_timeout_s=1,
            on_sent=lambda: events.append("whole"),
        )
        with pytest.raises(OutcomeUnknown):
            await wire.send(
                "acme",
                Call(method="POST", url="http://127.0.0.1/lost", json={}),
                reply_timeout_s=1,
                on_sent=lambda: events.append("lost"),
            )

    assert result.body == {"path": "/v1"}
    assert events == ["whole", "lost"]


async def test_it_is_told_when_the_head_is_here_however_long_the_body_takes() -> None:
    events: list[str] = []

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            events.append("body")
            yield b"{}"

    client = httpx.MockTransport(lambda _: httpx.Response(200, stream=Body()))
    async with Wire(client, paid_hosts=False) as wire:
        await wire.send(
            "acme",
            Call(method="POST", url="http://127.0.0.1/v1", json={}),
            reply_timeout_s=1,
            on_sent=lambda: events.append("sent"),
            on_head=lambda: events.append("head"),
        )

    assert events == ["sent", "head", "body"]


@pytest.mark.parametrize(
    ("body", "content_type", "decoded"),
    [
        pytest.param(b'{"a": [1, true]}', "text/plain", {"a": [1, True]}, id="json"),
        pytest.param(b"<html>busy</html>", "text/html", "<html>busy</html>", id="page"),
        pytest.param(b"{oops", "application/json", "{oops", id="no-json"),
        pytest.param(b'{"a": NaN}', "application/json", {"a": None}, id="nan"),
        pytest.param(b"", "application/json", "", id="empty"),
        pytest.param(PNG, "application/octet-stream", Blob(PNG), id="image-by-content"),
        pytest.param(b"??", "image/avif", Blob(b"??"), id="image-by-type"),
        pytest.param(b"\xff!", "text/plain", "\ufffd!", id="no-text"),
        pytest.param(b"x" * 90_000, "text/plain", "x" * 65_536, id="long"),
        pytest.param(b"\xef\xbb\xbf[1]", "application/json", [1], id="byte-order-mark"),
    ],
)
async def test_a_body_is_judged_by_its_content(
    body: bytes, content_type: str, decoded: object
) -> None:
    assert decode_body(body, {"content-type": content_type}, frozenset()) == decoded


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"[" * 90_000, "nested too deeply", id="deep"),
        pytest.param(b'{"a":' * 90_000, "nested too deeply", id="deep-objects"),
        pytest.param(b"[" + b"{}," * 90_000, "100,000 values", id="many"),
    ],
)
async def test_json_that_is_built_to_be_a_burden_is_not_read(
    body: bytes, words: str
) -> None:
    with pytest.raises(JsonTooLarge, match=words):
        decode_body(body, {"content-type": "application/json"}, frozenset())


@pytest.mark.parametrize(
    ("text", "data"),
    [
        pytest.param("AAEC", b"\0\1\2", id="plain"),
        pytest.param("AAE", b"\0\1", id="no-padding"),
        pytest.param("AA\r\nEC\n", b"\0\1\2", id="line-breaks"),
        pytest.param("AAE==", b"\0\1", id="padding-to-spare"),
        pytest.param("_-8", b"\xff\xef", id="letters-of-urls"),
        pytest.param("data:image/png;base64,AAEC", b"\0\1\2", id="data-uri"),
        pytest.param("data:text/plain,AAEC", None, id="no-base64-uri"),
        pytest.param("https://cdn.example/1.png", None, id="url"),
        pytest.param("ÄÄÄÄ", None, id="letters"),
        pytest.param("A", None, id="one-letter"),
        pytest.param("", None, id="empty"),
    ],
)
async def test_base64_is_read_as_providers_write_it(
    text: str, data: bytes | None
) -> None:
    assert decode_base64(text) == (None if data is None else Blob(data))


async def test_what_is_no_base64_stays_a_string() -> None:
    body = b'{"b64_json": "https://cdn.example/1.png", "x": {"b64_json": null}}'

    decoded = decode_body(body, {}, frozenset({"b64_json"}))

    assert decoded == {"b64_json": "https://cdn.example/1.png", "x": {"b64_json": None}}
