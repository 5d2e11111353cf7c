"""Bodies share a budget of bytes: nothing blocks for ever, nothing passes it far."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from weakref import ref

import anyio
import pytest
from anyio.abc import TaskGroup

from batchgen.errors import OutcomeUnknown
from batchgen.wire.memory import SMALL_BYTES, MemoryBudget, MemoryLease

MB = 1024 * 1024


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Queue:
    """Leases that grow one after the other, and who of them got in."""

    def __init__(self, memory: MemoryBudget, tasks: TaskGroup) -> None:
        self._memory = memory
        self._tasks = tasks
        self.admitted: list[str] = []

    async def ask(self, name: str, lease: MemoryLease, size_bytes: int) -> None:
        """Ask, and return when it waits or got in."""

        async def ask() -> None:
            await lease.grow(size_bytes)
            self.admitted.append(name)

        self._tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()


@pytest.mark.anyio
async def test_who_does_not_fit_waits_for_its_turn() -> None:
    memory = MemoryBudget(10 * MB)
    async with anyio.create_task_group() as tasks:
        queue = Queue(memory, tasks)
        one, two, three = (memory.lease() for _ in range(3))
        await queue.ask("one", one, 6 * MB)
        await queue.ask("two", two, 5 * MB)
        await queue.ask("three", three, 3 * MB)
        assert queue.admitted == ["one"], "three fits, but two was first"

        one.shrink(0)
        await anyio.wait_all_tasks_blocked()

    assert set(queue.admitted) == {"one", "two", "three"}
    assert memory.held_bytes == 8 * MB


@pytest.mark.anyio
async def test_a_small_body_never_waits_and_is_not_counted() -> None:
    memory = MemoryBudget(MB)
    with memory.lease() as full, memory.lease() as small:
        await full.grow(MB)
        assert not memory.lease().try_grow(SMALL_BYTES + 1)

        await small.grow(SMALL_BYTES)

        assert (small.held_bytes, memory.held_bytes) == (0, MB)


@pytest.mark.anyio
async def test_a_body_larger_than_the_budget_is_let_in_alone() -> None:
    memory = MemoryBudget(10 * MB)
    async with anyio.create_task_group() as tasks:
        queue = Queue(memory, tasks)
        small, huge, other = (memory.lease() for _ in range(3))
        await queue.ask("small", small, MB)
        await queue.ask("huge", huge, 50 * MB)
        await queue.ask("other", other, MB)
        assert queue.admitted == ["small"]

        small.shrink(0)
        await anyio.wait_all_tasks_blocked()
        assert queue.admitted == ["small", "huge"]

        huge.shrink(0)

    assert queue.admitted == ["small", "huge", "other"]


@pytest.mark.anyio
async def test_bodies_that_all_wait_to_grow_do_not_block_one_another() -> None:
    memory = MemoryBudget(10 * MB)
    async with anyio.create_task_group() as tasks:
        queue = Queue(memory, tasks)
        one, two, new = (memory.lease() for _ in range(3))
        await queue.ask("one", one, 5 * MB)
        await queue.ask("two", two, 5 * MB)
        await queue.ask("new", new, MB)
        await queue.ask("two grows", two, 7 * MB)
        assert queue.admitted == ["one", "two"], "one goes on and will give back"

        await queue.ask("one grows", one, 8 * MB)
        await queue.ask("one grows more", one, 9 * MB)
        assert queue.admitted[2:] == ["one grows", "one grows more"]
        assert memory.held_bytes == 14 * MB, "the budget, and the rest of one body"

        one.shrink(0)
        await anyio.wait_all_tasks_blocked()

    assert set(queue.admitted[4:]) == {"two grows", "new"}


@pytest.mark.anyio
async def test_who_gives_up_waiting_lets_the_next_one_in() -> None:
    memory = MemoryBudget(10 * MB)
    with memory.lease() as one:
        await one.grow(6 * MB)
        async with anyio.create_task_group() as tasks:
            queue = Queue(memory, tasks)
            waiting = anyio.CancelScope()
            lease = memory.lease()

            async def give_up() -> None:
                with waiting, lease:
                    await lease.grow(5 * MB)

            tasks.start_soon(give_up)
            await anyio.wait_all_tasks_blocked()
            await queue.ask("next", memory.lease(), 2 * MB)
            assert queue.admitted == []

            waiting.cancel()
            await anyio.wait_all_tasks_blocked()

            assert queue.admitted == ["next"]
        assert memory.held_bytes == 8 * MB
    assert memory.held_bytes == 2 * MB


@pytest.mark.anyio
async def test_what_a_lease_keeps_stays_beside_the_bodies_that_follow() -> None:
    memory = MemoryBudget(10 * MB)
    with memory.lease() as lease:
        await lease.grow(3 * MB)
        lease.keep()
        await lease.grow(4 * MB)
        assert (lease.held_bytes, memory.held_bytes) == (7 * MB, 7 * MB)

        lease.shrink(0)
        assert memory.held_bytes == 3 * MB

        await lease.grow(SMALL_BYTES)
        assert memory.held_bytes == 3 * MB
    assert memory.held_bytes == 0


@pytest.mark.anyio
async def test_leases_that_rest_block_nobody_whom_they_wait_for() -> None:
    memory = MemoryBudget(10 * MB)
    async with anyio.create_task_group() as tasks:
        queue = Queue(memory, tasks)
        one, two, more = (memory.lease() for _ in range(3))
        await queue.ask("one", one, 5 * MB)
        await queue.ask("two", two, 5 * MB)
        await queue.ask("more of one", more, 4 * MB)
        await queue.ask("more of two", memory.lease(), 4 * MB)
        one.mark_idle()
        await anyio.wait_all_tasks_blocked()
        assert queue.admitted == ["one", "two"], "two goes on and will give back"

        two.mark_idle()
        await anyio.wait_all_tasks_blocked()
        assert queue.admitted == ["one", "two", "more of one"]

        more.shrink(0)
        await anyio.wait_all_tasks_blocked()
        assert queue.admitted[3:] == ["more of two"]


class Body(bytearray):
    """Bytes that can be looked for after they were dropped."""


class Exchange:
    """Fails while variables hold bodies, and one of them the error itself."""

    def __init__(self) -> None:
        self.bodies: list[ref[Body]] = []

    def fail(self) -> None:
        body = self._receive()
        try:
            self._read()
        except ValueError as cause:
            error = OutcomeUnknown("shop", f"cut within {len(body)} bytes")
            raise error from cause

    def _read(self) -> None:
        part = self._receive()
        raise ValueError(f"no image in {len(part)} bytes")

    def _receive(self) -> Body:
        body = Body(MB)
        self.bodies.append(ref(body))
        return body


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
def test_an_error_that_outlives_its_lease_holds_no_body() -> None:
    exchange, failures = Exchange(), []

    try:
        with MemoryBudget().lease():
            exchange.fail()
    except OutcomeUnknown as error:
        failures.append(error)

    assert [body() for body in exchange.bodies] == [None, None]
    assert str(failures[0]) == f"shop: cut within {MB} bytes"
    assert str(failures[0].__cause__) == f"no image in {MB} bytes"


@pytest.mark.usefixtures("without_collector")
def test_an_unexpected_fault_keeps_its_traceback_for_the_log() -> None:
    def fail() -> None:
        with MemoryBudget().lease():
            raise KeyError("a fault of batchgen itself")

    with pytest.raises(KeyError) as caught:
        fail()

    assert [frame.name for frame in caught.traceback][-1] == "fail"


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(20))
async def test_whatever_bodies_come_all_get_in_and_never_much_more_than_fits(
    seed: int,
) -> None:
    rng = random.Random(seed)
    memory, largest, finished = MemoryBudget(10 * MB), 8 * MB, 0

    async def arrive() -> None:
        nonlocal finished
        with memory.lease() as lease:
            size = 0
            for _ in range(rng.randrange(1, 5)):
                size = min(largest, size + rng.randrange(3 * MB))
                await lease.grow(size)
                assert lease.held_bytes == size or size <= SMALL_BYTES
                assert memory.held_bytes <= 10 * MB + largest
                await anyio.lowlevel.checkpoint()
            lease.shrink(rng.randrange(size + 1))
            await anyio.lowlevel.checkpoint()
        finished += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(arrive)

    assert (finished, memory.held_bytes) == (60, 0)
