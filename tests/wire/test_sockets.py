"""Sockets are counted: who may have one, who waits, and what a want of them means."""

from __future__ import annotations

import gc
from dataclasses import replace

import anyio
import pytest
from anyio.abc import TaskGroup

from batchgen.errors import NotConnected, OutcomeUnknown
from batchgen.model import Call, Reply
from batchgen.wire.payload import PatientSocket
from batchgen.wire.sender import Wire
from batchgen.wire.sockets import SocketLimits
from tests.scarce.runs import Server, no_files_left, server
from tests.wire.conftest import SMALL
from tests.wire.server import Peer, ScriptedServer

pytestmark = pytest.mark.anyio

PATIENT = replace(SMALL, connect_s=20.0)
LATENCY_S = 0.2
LATE = 1
"""A connection that was closed counts at the server until it hears of that."""


def purchase(shop: Server) -> Call:
    return Call(method="POST", url=f"{shop.url}/aimlapi/buy", json={"prompt": "."})


def poll(shop: Server) -> Call:
    return Call(method="GET", url=f"{shop.url}/foxapi/tasks/task-0")


async def test_a_request_waits_while_the_machine_has_no_socket_left() -> None:
    replies: list[Reply] = []

    async def buy(wire: Wire, shop: Server) -> None:
        reply = await wire.send("aimlapi", purchase(shop), reply_timeout_s=5.0)
        replies.append(reply)

    with server(0.0) as shop:
        async with (
            Wire(paid_hosts=False, limits=PATIENT) as wire,
            anyio.create_task_group() as tasks,
        ):
            with no_files_left():
                tasks.start_soon(buy, wire, shop)
                await anyio.wait_all_tasks_blocked()
                assert not replies
        purchases = shop.bill().purchases

    assert [reply.status for reply in replies] == [200]
    assert purchases == 1


async def test_a_lasting_want_of_sockets_is_said_and_is_not_the_providers() -> None:
    sent: list[bool] = []
    with server(0.0) as shop:
        limits = replace(SMALL, connect_s=0.01)
        async with Wire(paid_hosts=False, limits=limits) as wire:
            with no_files_left(), pytest.raises(NotConnected) as raised:
                await wire.send(
                    "aimlapi",
                    purchase(shop),
                    reply_timeout_s=5.0,
                    on_sent=lambda: sent.append(True),
                )
        purchases = shop.bill().purchases

    assert raised.value.lacks_socket
    assert "no more files can be opened" in raised.value.message
    assert "ulimit -n" in raised.value.message
    assert not sent
    assert purchases == 0


async def test_a_refused_connection_is_no_want_of_sockets(wire: Wire) -> None:
    call = Call(method="POST", url="http://127.0.0.1:1/buy", json={"prompt": "."})

    with pytest.raises(NotConnected) as raised:
        await wire.send("aimlapi", call, reply_timeout_s=5.0)

    assert not raised.value.lacks_socket


async def ask_for_all(wire: Wire, shop: Server, tasks: TaskGroup) -> None:
    """Let polls and downloads want their sockets at once."""

    async def ask() -> None:
        await wire.send("foxapi", poll(shop), reply_timeout_s=5.0)

    async def download() -> None:
        await wire.download("foxapi", f"{shop.url}/images/a.png", allow_loopback=True)

    for _ in range(12):
        tasks.start_soon(ask)
        tasks.start_soon(download)


async def test_all_that_are_no_purchases_share_their_sockets() -> None:
    sockets = SocketLimits(total=8, others=2, kept_alive=0)
    with server(LATENCY_S) as shop:
        async with (
            Wire(paid_hosts=False, limits=PATIENT, sockets=sockets) as wire,
            anyio.create_task_group() as tasks,
        ):
            await ask_for_all(wire, shop, tasks)
        bill = shop.bill()

    assert bill.max_open <= 2 + LATE
    assert bill.connections == 24 + 1  # none was kept open for the next


async def test_a_purchase_waits_for_no_other_request() -> None:
    sockets = SocketLimits(total=8, others=1, kept_alive=0)
    with server(LATENCY_S) as shop:
        async with Wire(paid_hosts=False, limits=PATIENT, sockets=sockets) as wire:

            async def upload() -> None:
                await wire.send("aimlapi", purchase(shop), reply_timeout_s=5.0)

            async def buy() -> None:
                await wire.send(
                    "aimlapi",
                    purchase(shop),
                    reply_timeout_s=5.0,
                    on_sent=lambda: None,
                )

            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(upload)
                tasks.start_soon(buy)
        bill = shop.bill()

    assert bill.purchases == 4
    assert bill.max_open == 2


async def test_never_more_sockets_are_open_than_there_are_for_the_wire() -> None:
    sockets = SocketLimits(total=3, others=100, kept_alive=1)
    with server(LATENCY_S) as shop:
        async with (
            Wire(paid_hosts=False, limits=PATIENT, sockets=sockets) as wire,
            anyio.create_task_group() as tasks,
        ):
            await ask_for_all(wire, shop, tasks)
        bill = shop.bill()

    assert bill.max_open <= 3 + LATE


@pytest.mark.parametrize(
    ("kept_alive", "connections"),
    [pytest.param(0, 3, id="scarce"), pytest.param(8, 1, id="plenty")],
)
async def test_connections_stay_open_only_where_sockets_are_plenty(
    kept_alive: int, connections: int
) -> None:
    sockets = SocketLimits(total=16, others=8, kept_alive=kept_alive)
    with server(0.0) as shop:
        async with Wire(paid_hosts=False, limits=PATIENT, sockets=sockets) as wire:
            for _ in range(3):
                await wire.send("foxapi", poll(shop), reply_timeout_s=5.0)
        bill = shop.bill()

    assert bill.connections == connections + 1  # that of the question


def sockets_in_use() -> list[PatientSocket]:
    every = (thing for thing in gc.get_objects() if isinstance(thing, PatientSocket))
    return [thing for thing in every if thing.fileno() != -1]


async def test_a_peer_that_does_not_read_keeps_no_socket_open() -> None:
    already = sockets_in_use()
    body = {"prompt": "a" * 20_000_000}  # more than the buffers of two sockets
    with ScriptedServer(Peer.be_silent) as shop:
        async with Wire(paid_hosts=False, limits=SMALL) as wire:
            call = Call(method="POST", url=f"{shop.url}/buy", json=body)
            with pytest.raises(OutcomeUnknown):
                await wire.send("aimlapi", call, reply_timeout_s=0.2)
            assert len(sockets_in_use()) > len(already)
        sockets = [socket_ for socket_ in sockets_in_use() if socket_ not in already]

    assert sockets == []
