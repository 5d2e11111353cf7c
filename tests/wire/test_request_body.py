from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP

import httpx
import pytest

from batchgen.errors import OutcomeUnknown
from batchgen.model import Attachment, Call, DataUri, Inline
from batchgen.wire.request_builder import (
    RequestBody,
    build_purchase,
    encode_form,
    encode_json,
)
from batchgen.wire.sender import Wire
from tests.wire.server import Peer, Request, ScriptedServer, answer, reply

pytestmark = pytest.mark.anyio

MEGABYTE = 1_000_000
PROMPT = 'a “red” apple,\r\n--x\\"; $HOME `é漢`\0'
SMALL = Inline("image/png", base64.b64encode(b"small"))
LARGE = Inline("image/webp", base64.b64encode(bytes(range(256)) * 2_000))


def call_to(url: str, **fields: object) -> Call:
    call: Call = Call(method="POST", url=url, **fields)  # type: ignore[arg-type]
    return call


def whole(pieces: RequestBody) -> bytes:
    return b"".join(pieces.chunks())


@pytest.mark.parametrize("image", [SMALL, LARGE], ids=["small", "large"])
def test_images_stand_in_the_json_as_their_text(image: Inline) -> None:
    document = {
        "prompt": PROMPT,
        "first": image,
        "parts": [{"data": image, "url": DataUri(SMALL)}, DataUri(image)],
    }

    pieces = RequestBody(encode_json(document))

    text = image.base64.decode()
    uri = f"data:{image.media_type};base64,{text}"
    small_uri = f"data:image/png;base64,{SMALL.base64.decode()}"
    assert json.loads(whole(pieces)) == {
        "prompt": PROMPT,
        "first": text,
        "parts": [{"data": text, "url": small_uri}, uri],
    }
    assert pieces.size == len(whole(pieces))


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        encode_json({"image": SMALL, "x": {1}})


def test_a_small_body_leaves_in_one_piece_and_a_large_one_in_chunks() -> None:
    small = RequestBody(encode_json({"prompt": PROMPT, "image": SMALL}))
    large = RequestBody(encode_json({"prompt": PROMPT, "image": LARGE, "n": 1}))

    assert len(list(small.chunks())) == 1
    assert max(map(len, large.chunks())) == 65_536


def parts_of(request: Request) -> list[tuple[object, ...]]:
    """Read a form with the parser of e-mails: name, file name, type, content."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    assert message.is_multipart()
    assert not message.defects
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part["content-type"] or "",
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


async def test_a_form_arrives_as_it_was_written(wire: Wire) -> None:
    first = Attachment("one.png", "image/png", b"\r\n--\x89PNG\0" * 9)
    second = Attachment("two.webp", "image/webp", bytes(MEGABYTE))
    form = [("PROMPT", PROMPT), ("image", first), ("image", second), ("top_k", "5")]

    with ScriptedServer(answer(reply())) as server:
        await wire.send("acme", call_to(server.url, form=form), reply_timeout_s=5)

    (request,) = server.requests
    assert parts_of(request) == [
        ("PROMPT", None, "", PROMPT.encode()),
        ("image", "one.png", "image/png", first.data),
        ("image", "two.webp", "image/webp", second.data),
        ("top_k", None, "", b"5"),
    ]
    assert "transfer-encoding" not in request.headers
    assert request.headers["content-length"] == str(len(request.body))


async def test_each_form_has_a_boundary_of_its_own(wire: Wire) -> None:
    call = call_to("http://127.0.0.1/", form=[("PROMPT", "x")])

    first, second = (build_purchase("acme", call) for _ in range(2))

    assert first.headers["content-type"] != second.headers["content-type"]


def test_a_name_cannot_break_out_of_its_quotes() -> None:
    file = Attachment('a"\r\nx: y', "image/png", b"")

    body = b"".join(encode_form([('b"', file)], "--"))

    assert b'name="b%22"; filename="a%22%0D%0Ax: y"\r\n' in body


async def test_a_body_of_images_is_sent_without_a_copy(wire: Wire) -> None:
    def script(peer: Peer) -> None:
        left = 40 * MEGABYTE
        while left > 0:
            left -= len(peer.socket.recv(65_536))
        peer.say(reply(headers=("connection: close",)))

    image = Inline("image/png", b"A" * 10 * MEGABYTE)
    file = Attachment("a.png", "image/png", image.base64)
    with ScriptedServer(script) as server:
        calls = [
            call_to(server.url, json={"images": [image, DataUri(image)] * 2}),
            call_to(server.url, form=[("image", file)] * 4),
        ]
        tracemalloc.start()
        for call in calls:
            await wire.send("acme", call, reply_timeout_s=5)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 2 * MEGABYTE


def closed(peer: Peer) -> None:
    peer.socket.close()


@pytest.mark.parametrize("size", [100_000, MEGABYTE, 20 * MEGABYTE])
@pytest.mark.parametrize("end", [closed, Peer.reset], ids=["closed", "reset"])
async def test_the_words_of_a_server_that_hangs_up_on_an_upload_are_had(
    wire: Wire, end: Callable[[Peer], None], size: int
) -> None:
    def script(peer: Peer) -> None:
        peer.socket.recv(1024)
        bye = ("connection: close",)
        peer.say(reply(b'{"error": 1}', status="413 Too Large", headers=bye))
        end(peer)

    image = Inline("image/png", b"A" * size)
    with ScriptedServer(script) as server:
        for _ in range(8):
            call = call_to(server.url, json={"image": image})
            result = await wire.send("acme", call, reply_timeout_s=2)
            assert (result.status, result.body) == (413, {"error": 1})

        assert server.connections == 8


@pytest.mark.parametrize("end", [closed, Peer.reset], ids=["closed", "reset"])
async def test_an_upload_that_breaks_without_an_answer_is_unknown_and_sent_once(
    wire: Wire, end: Callable[[Peer], None]
) -> None:
    def script(peer: Peer) -> None:
        peer.socket.recv(1024)
        end(peer)

    sent_calls: list[bool] = []
    image = Attachment("a.png", "image/png", bytes(20 * MEGABYTE))
    with ScriptedServer(script) as server:
        with pytest.raises(OutcomeUnknown):
            await wire.send(
                "acme",
                call_to(server.url, form=[("image", image)]),
                reply_timeout_s=2,
                on_sent=lambda: sent_calls.append(True),
            )

        assert server.connections == 1
    assert sent_calls == [True]


async def test_a_slow_reader_is_waited_for_while_chunks_leave(wire: Wire) -> None:
    """The wait for the reply begins anew with each chunk."""

    def script(peer: Peer) -> None:
        left = 8 * MEGABYTE
        while left > 0:
            left -= len(peer.socket.recv(250_000))
            peer.stopped.wait(0.04)
        peer.say(reply())

    image = Inline("image/png", b"A" * 8 * MEGABYTE)
    with ScriptedServer(script) as server:
        call = call_to(server.url, json={"image": image})
        result = await wire.send("acme", call, reply_timeout_s=1.0)

    assert result.status == 200


@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"json": {"image": LARGE}}, id="json"),
        pytest.param(
            {"form": [("f", Attachment("a.png", "image/png", LARGE.base64))]}, id="form"
        ),
    ],
)
async def test_any_httpx_transport_gets_the_whole_body(
    fields: dict[str, object],
) -> None:
    seen: list[bytes] = []

    class ReadsAtOnce(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request.read())
            return httpx.Response(200, json={})

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(200, json={})

    for transport in (httpx.MockTransport(respond), ReadsAtOnce()):
        async with Wire(transport, paid_hosts=False) as wire:
            call = call_to("http://127.0.0.1/v1", **fields)
            await wire.send("acme", call, reply_timeout_s=1)

    assert all(LARGE.base64 in body for body in seen)
    assert len(seen) == 2
