"""While we are the ones who pause, no clock of an exchange runs, and nothing is lost.

Nothing here sleeps: that a limit has passed is told by another exchange, which began
later with the same limits and met a server that fell silent.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import anyio
import pytest

from batchgen.errors import Incomplete, OutcomeUnknown
from batchgen.model import Blob, Call
from batchgen.wire import MemoryBudget
from batchgen.wire.sender import Wire
from tests.wire.conftest import SMALL
from tests.wire.server import Peer, Script, ScriptedServer, answer, reply

MB = 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n" + bytes(3 * MB)
LIMITS = replace(
    SMALL, silence_s=0.2, transfer_s=0.3, reply_bytes=9 * MB, image_bytes=9 * MB
)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n"
)

pytestmark = pytest.mark.anyio


def chunked(body: bytes) -> bytes:
    return CHUNKED + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


def silent(peer: Peer) -> None:
    peer.receive()
    peer.be_silent()


def buy(url: str) -> Call:
    keys = frozenset({"b64_json"})
    return Call(method="POST", url=url, json={"prompt": "a"}, blob_keys=keys)


async def pass_all_limits(wire: Wire) -> None:
    """Return when exchanges that begin now were given up for their silence."""
    with ScriptedServer(silent) as server:
        with pytest.raises(Incomplete):
            await wire.download("acme", server.url, allow_loopback=True)
        with pytest.raises(OutcomeUnknown):
            await wire.send("acme", buy(server.url), reply_timeout_s=0.9)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answer(reply(PNG, content_type="image/png")), id="declared"),
        pytest.param(answer(chunked(PNG)), id="chunked"),
    ],
)
async def test_a_download_outlasts_our_own_pause(script: Script) -> None:
    memory = MemoryBudget(4 * MB)
    full = memory.lease()
    await full.grow(4 * MB)
    blobs: list[Blob] = []

    async def download(url: str) -> None:
        with wire.lease() as lease:
            blobs.append(
                await wire.download("acme", url, allow_loopback=True, lease=lease)
            )
            assert lease.held_bytes >= len(PNG)

    with ScriptedServer(script) as server:
        async with (
            Wire(paid_hosts=False, limits=LIMITS, memory=memory) as wire,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(download, server.url)
            await pass_all_limits(wire)
            assert blobs == []

            full.shrink(0)

    assert blobs == [Blob(PNG)]
    assert memory.held_bytes == 0


async def test_a_purchase_outlasts_our_own_pause_and_holds_only_its_image() -> None:
    memory = MemoryBudget(4 * MB)
    full, lease = memory.lease(), memory.lease()
    await full.grow(4 * MB)
    document = {"data": [{"b64_json": base64.b64encode(PNG).decode()}]}
    body = json.dumps(document).encode()
    results = []

    async def purchase(url: str) -> None:
        results.append(
            await wire.send("acme", buy(url), reply_timeout_s=0.2, lease=lease)
        )

    with ScriptedServer(answer(reply(body))) as server:
        async with (
            Wire(paid_hosts=False, limits=LIMITS, memory=memory) as wire,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(purchase, server.url)
            await pass_all_limits(wire)
            assert results == []

            full.shrink(0)

    assert [result.body for result in results] == [{"data": [{"b64_json": Blob(PNG)}]}]
    assert (lease.held_bytes, memory.held_bytes) == (len(PNG), len(PNG))


async def test_a_reply_without_an_image_waits_for_what_a_parser_takes() -> None:
    memory = MemoryBudget(4 * MB)
    other = memory.lease()
    await other.grow(2 * MB)
    document = {"b64_json": "*" + "A" * MB}
    results = []

    async def purchase(url: str) -> None:
        results.append(await wire.send("acme", buy(url), reply_timeout_s=0.2))

    with ScriptedServer(answer(reply(json.dumps(document).encode()))) as server:
        async with (
            Wire(paid_hosts=False, limits=LIMITS, memory=memory) as wire,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(purchase, server.url)
            await pass_all_limits(wire)
            assert results == []

            other.shrink(0)

    assert [result.body for result in results] == [document]
    assert memory.held_bytes == 0


async def test_a_server_that_falls_silent_after_our_pause_is_given_up() -> None:
    memory = MemoryBudget(4 * MB)
    full = memory.lease()
    await full.grow(4 * MB)
    broken: list[Incomplete] = []

    def script(peer: Peer) -> None:
        peer.receive()
        peer.say(reply(PNG[:MB], length=len(PNG), content_type="image/png"))
        peer.be_silent()

    async def download(url: str) -> None:
        with pytest.raises(Incomplete) as caught:
            await wire.download("acme", url, allow_loopback=True)
        broken.append(caught.value)

    with ScriptedServer(script) as server:
        async with (
            Wire(paid_hosts=False, limits=LIMITS, memory=memory) as wire,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(download, server.url)
            await pass_all_limits(wire)
            assert broken == []
            full.shrink(0)

    assert "silence for 0.2 s" in broken[0].message
    assert memory.held_bytes == 0


async def test_a_small_reply_comes_through_while_all_memory_is_taken() -> None:
    memory = MemoryBudget(4 * MB)
    await memory.lease().grow(4 * MB)

    with ScriptedServer(answer(reply(b'{"id": "task-1"}'))) as server:
        async with Wire(paid_hosts=False, limits=LIMITS, memory=memory) as wire:
            result = await wire.send("acme", buy(server.url), reply_timeout_s=2)

    assert result.body == {"id": "task-1"}
    assert memory.held_bytes == 4 * MB


async def test_a_reply_that_fails_gives_back_what_it_held() -> None:
    memory = MemoryBudget(4 * MB)
    lease = memory.lease()

    with ScriptedServer(answer(reply(PNG[:MB], length=len(PNG)))) as server:
        async with Wire(paid_hosts=False, limits=LIMITS, memory=memory) as wire:
            with pytest.raises(OutcomeUnknown):
                await wire.send("acme", buy(server.url), reply_timeout_s=2, lease=lease)

    assert (lease.held_bytes, memory.held_bytes) == (0, 0)
