"""Each way to lose a reply, over real sockets: what left is never called unsent."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from batchgen.errors import AttemptError, NotConnected, OutcomeUnknown, ProxyRejected
from batchgen.model import Call
from batchgen.wire.sender import Wire
from tests.wire.conftest import SMALL
from tests.wire.server import Peer, Script, ScriptedServer, answer, reply, serve

pytestmark = pytest.mark.anyio

CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
UNDELIMITED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"


def purchase(url: str) -> Call:
    return Call(method="POST", url=f"{url}/buy", json={"prompt": "a red apple"})


def after(data: bytes, end: Callable[[Peer], None]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.say(data)
        end(peer)

    return script


def close(peer: Peer) -> None:
    peer.socket.close()


def endless(peer: Peer) -> None:
    peer.say(CHUNKED)
    while True:
        peer.say(b"10000\r\n" + b"x" * 65536 + b"\r\n")


LOSSES = [
    pytest.param(close, id="close-before-head"),
    pytest.param(Peer.reset, id="reset-before-head"),
    pytest.param(Peer.be_silent, id="silence-before-head"),
    pytest.param(after(b"HTTP/1.1 200 OK\r\ncont", close), id="close-in-head"),
    pytest.param(after(b"HTTP/1.1 200 OK\r\ncont", Peer.reset), id="reset-in-head"),
    pytest.param(
        after(b"HTTP/1.1 200 OK\r\ncont", Peer.be_silent), id="silence-in-head"
    ),
    pytest.param(after(b"SMTP ready\r\n\r\n", Peer.be_silent), id="other-protocol"),
    pytest.param(after(reply(b"", length=20), close), id="close-after-head"),
    pytest.param(after(reply(b"", length=20), Peer.reset), id="reset-after-head"),
    pytest.param(after(reply(b"", length=20), Peer.be_silent), id="silence-after-head"),
    pytest.param(after(reply(b'{"a":', length=20), close), id="close-in-body"),
    pytest.param(after(reply(b'{"a":', length=20), Peer.reset), id="reset-in-body"),
    pytest.param(
        after(reply(b'{"a":', length=20), Peer.be_silent), id="silence-in-body"
    ),
    pytest.param(after(CHUNKED + b'5\r\n{"a":\r\n', close), id="close-between-chunks"),
    pytest.param(after(CHUNKED + b"9\r\n{", close), id="close-in-chunk"),
    pytest.param(after(CHUNKED + b'5\r\n{"a":\r\n', Peer.reset), id="reset-in-chunks"),
    pytest.param(
        after(CHUNKED + b'5\r\n{"a":\r\n', Peer.be_silent), id="silence-in-chunks"
    ),
    pytest.param(after(CHUNKED + b"zz\r\n{}\r\n", Peer.be_silent), id="broken-chunk"),
    pytest.param(after(UNDELIMITED + b'{"a":', close), id="close-in-undelimited-json"),
    pytest.param(after(UNDELIMITED, close), id="close-before-undelimited-json"),
    pytest.param(after(UNDELIMITED + b"{}", Peer.reset), id="reset-after-undelimited"),
    pytest.param(
        after(reply(b"\x1f\x8b", headers=("content-encoding: gzip",)), Peer.be_silent),
        id="gzip-body",
    ),
    pytest.param(
        after(reply(b"", length=2_000_000), Peer.be_silent), id="length-beyond-limit"
    ),
    pytest.param(endless, id="endless-body"),
]


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_reply_lost_on_a_fresh_connection_is_unknown_and_sent_once(
    wire: Wire, loss: Callable[[Peer], None]
) -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        loss(peer)

    with ScriptedServer(script) as server, pytest.raises(OutcomeUnknown):
        await wire.send("acme", purchase(server.url), reply_timeout_s=0.2)

    assert server.posts == 1


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_reply_lost_on_a_reused_connection_is_unknown_and_sent_once(
    wire: Wire, loss: Callable[[Peer], None]
) -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        peer.say(reply())
        peer.receive()
        loss(peer)

    with ScriptedServer(script) as server:
        await wire.send("acme", purchase(server.url), reply_timeout_s=2)
        with pytest.raises(OutcomeUnknown):
            await wire.send("acme", purchase(server.url), reply_timeout_s=0.2)

    assert server.connections == 1
    assert server.posts == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "did not begin in time", id="before-head"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", "did not begin in time", id="in-head"),
        pytest.param(reply(b"", length=20), "silence for 0.2 s", id="after-head"),
        pytest.param(CHUNKED + b"1\r\n{\r\n", "silence for 0.2 s", id="in-body"),
    ],
)
async def test_silence_ends_long_before_the_overall_deadline(
    wire: Wire, data: bytes, message: str
) -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        peer.say(data)
        peer.be_silent()

    with ScriptedServer(script) as server, pytest.raises(OutcomeUnknown, match=message):
        await wire.send("acme", purchase(server.url), reply_timeout_s=0.1)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_no_method_that_may_buy_is_sent_again_by_the_library(
    wire: Wire, method: str
) -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        peer.say(reply())
        peer.receive()
        peer.reset()

    call_json = {"prompt": "x"}
    with ScriptedServer(script, serve(reply())) as server:
        call = Call(method=method, url=server.url, json=call_json)
        await wire.send("acme", call, reply_timeout_s=2)
        with pytest.raises(OutcomeUnknown):
            await wire.send("acme", call, reply_timeout_s=2)

    assert len(server.requests) == 2


async def test_one_byte_at_a_time_ends_at_the_overall_deadline() -> None:
    limits = replace(SMALL, connect_s=0.1, transfer_s=0.1)

    def script(peer: Peer) -> None:
        peer.receive()
        peer.say(reply(b"", length=900_000))
        while not peer.stopped.wait(0.02):
            peer.say(b" ")

    with ScriptedServer(script) as server:
        async with Wire(paid_hosts=False, limits=limits) as wire:
            with pytest.raises(OutcomeUnknown, match="not finished"):
                await wire.send("acme", purchase(server.url), reply_timeout_s=0.1)


async def test_a_refused_connection_sent_nothing(wire: Wire) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(NotConnected):
        await wire.send("acme", purchase(f"http://127.0.0.1:{port}"), reply_timeout_s=1)


async def test_a_connection_that_never_stands_sent_nothing(wire: Wire) -> None:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(address)

        with pytest.raises(
            NotConnected, match=r"no connection to 127\.0\.0\.1: Connection timeout"
        ):
            await wire.send(
                "acme", purchase(f"http://127.0.0.1:{address[1]}"), reply_timeout_s=9
            )

        for each in waiting:
            each.close()


@pytest.mark.parametrize(
    "hello",
    [
        pytest.param(Peer.be_silent, id="silent"),
        pytest.param(lambda peer: peer.say(b"no TLS here\r\n"), id="no-tls"),
        pytest.param(Peer.reset, id="reset"),
    ],
)
async def test_a_failed_tls_handshake_sent_nothing(wire: Wire, hello: Script) -> None:
    with ScriptedServer(hello) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(NotConnected):
            await wire.send("acme", purchase(url), reply_timeout_s=9)

    assert server.requests == []


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        pytest.param(
            lambda peer: peer.say(b"HTTP/1.1 407 Pay\r\n\r\n"),
            ProxyRejected,
            id="refused",
        ),
        pytest.param(
            lambda peer: peer.say(b"HTTP/1.1 503 Busy\r\n\r\n"),
            NotConnected,
            id="busy",
        ),
        pytest.param(close, NotConnected, id="closed"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_sent_nothing(
    monkeypatch: pytest.MonkeyPatch, end: Script, kind: type[AttemptError]
) -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        end(peer)

    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)
    with ScriptedServer(script) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with Wire(paid_hosts=True) as wire:
            with pytest.raises(kind):
                await wire.send(
                    "acme", purchase("https://api.acme.example"), reply_timeout_s=5
                )

    assert [request.line for request in proxy.requests] == [
        "CONNECT api.acme.example:443 HTTP/1.1"
    ]


async def test_whoever_asks_is_told_once_when_the_request_leaves(wire: Wire) -> None:
    sent_calls: list[int] = []

    with ScriptedServer(answer(reply())) as server:
        await wire.send(
            "acme",
            purchase(server.url),
            reply_timeout_s=2,
            on_sent=lambda: sent_calls.append(server.posts),
        )

    assert sent_calls == [0]


async def test_nobody_is_told_of_a_request_that_never_left(wire: Wire) -> None:
    sent_calls: list[bool] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(NotConnected):
        await wire.send(
            "acme",
            purchase(url),
            reply_timeout_s=1,
            on_sent=lambda: sent_calls.append(True),
        )

    assert sent_calls == []
