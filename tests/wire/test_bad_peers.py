"""No peer can hold, fill or fool us: each ends within its limit, in its own words."""

from __future__ import annotations

import pytest

from batchgen.errors import AttemptError, Charge, ImageRejected, OutcomeUnknown
from batchgen.model import Call
from batchgen.wire import MemoryBudget, WireLimits
from batchgen.wire.sender import Wire
from tests.wire.bad_peers import BAD, Bad
from tests.wire.server import Peer, Script, ScriptedServer, answer, reply, serve

pytestmark = pytest.mark.anyio

PEERS = [pytest.param(bad, id=name) for name, bad in BAD.items()]
# A download takes any bytes; the runner looks at them.
NO_JSON = [peer for peer in PEERS if peer.id not in {"deep-json", "many-values"}]


def once_asked(bad: Bad) -> Script:
    def script(peer: Peer) -> None:
        peer.receive()
        bad.says(peer)

    return script


def buy(url: str) -> Call:
    keys = frozenset({"b64_json"})
    return Call(method="POST", url=url, json={"prompt": "a"}, blob_keys=keys)


@pytest.mark.parametrize("bad", PEERS)
async def test_a_purchase_from_a_bad_peer_is_unknown_and_sent_once(bad: Bad) -> None:
    memory = MemoryBudget()
    with ScriptedServer(once_asked(bad)) as server:
        async with Wire(paid_hosts=False, limits=bad.limits, memory=memory) as wire:
            with pytest.raises(OutcomeUnknown, match=bad.words) as caught:
                await wire.send(
                    "acme", buy(server.url), reply_timeout_s=bad.reply_timeout_s
                )

    assert caught.value.charge is Charge.UNKNOWN
    assert len(caught.value.message) < 500
    assert server.posts == 1
    assert memory.held_bytes == 0


@pytest.mark.parametrize("bad", NO_JSON)
async def test_a_download_from_a_bad_peer_ends(bad: Bad) -> None:
    memory = MemoryBudget()
    with ScriptedServer(once_asked(bad)) as server:
        async with Wire(paid_hosts=False, limits=bad.limits, memory=memory) as wire:
            with pytest.raises(AttemptError) as caught:
                await wire.download("acme", server.url, allow_loopback=True)

    assert caught.value.kind == bad.lost
    assert len(caught.value.message) < 500
    assert memory.held_bytes == 0


async def test_thirty_megabytes_of_json_are_not_parsed() -> None:
    body = b"[" + b"1," * 15_000_000 + b"1]"
    memory = MemoryBudget(64 * 1024 * 1024)
    with ScriptedServer(answer(reply(body))) as server:
        async with Wire(paid_hosts=False, memory=memory) as wire:
            with pytest.raises(OutcomeUnknown, match="more than 100,000 values"):
                await wire.send("acme", buy(server.url), reply_timeout_s=30)

    assert memory.held_bytes == 0


async def test_what_follows_a_body_is_not_taken_for_the_next_reply() -> None:
    false = reply(b'{"task": "of somebody else"}')
    replies = (reply(b'{"task": 1}') + false, reply(b'{"task": 2}'))
    with ScriptedServer(*map(serve, replies)) as server:
        async with Wire(paid_hosts=False) as wire:
            first = await wire.send("acme", buy(server.url), reply_timeout_s=5)
            second = await wire.send("acme", buy(server.url), reply_timeout_s=5)

    assert (first.body, second.body) == ({"task": 1}, {"task": 2})
    assert server.connections == 2


async def test_an_image_larger_than_any_is_not_read_to_its_end() -> None:
    limits = WireLimits(image_bytes=1_000_000)
    with ScriptedServer(answer(reply(bytes(3_000_000)))) as server:
        async with Wire(paid_hosts=False, limits=limits) as wire:
            with pytest.raises(ImageRejected, match="more than 1000000"):
                await wire.download("acme", server.url, allow_loopback=True)
