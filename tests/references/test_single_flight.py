"""Work runs once for all who ask, and its results are kept within bounds."""

from __future__ import annotations

import gc
from weakref import ref

import anyio
import anyio.lowlevel
import pytest

from batchgen.references.single_flight import SingleFlightCache

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"]),
]


class Maker:
    """Makes text of a length, when it is let; counts what it began."""

    def __init__(self) -> None:
        self.calls = 0
        self.open = anyio.Event()
        self.broken: Exception | None = None

    async def make(self) -> str:
        self.calls += 1
        await self.open.wait()
        if self.broken:
            raise self.broken
        return "x" * 10


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_who_asks_meanwhile_waits_for_the_same() -> None:
    cache, maker, results = SingleFlightCache(100, len), Maker(), []

    async def ask() -> None:
        results.append(await cache.get("a", maker.make))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await settle()
        maker.open.set()

    assert maker.calls == 1
    assert all(result is results[0] for result in results)
    assert len(results) == 5


async def test_whoever_is_cancelled_leaves_the_work_to_the_next() -> None:
    cache, maker, results = SingleFlightCache(100, len), Maker(), []
    scope = anyio.CancelScope()

    async def ask_and_leave() -> None:
        with scope:
            await cache.get("a", maker.make)

    async def ask() -> None:
        results.append(await cache.get("a", maker.make))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_and_leave)
        await settle()
        for _ in range(3):
            tasks.start_soon(ask)
        await settle()
        scope.cancel()
        await settle()
        maker.open.set()

    assert maker.calls == 2
    assert results == ["x" * 10] * 3


async def test_a_waiter_that_is_cancelled_stops_nobody() -> None:
    cache, maker, results = SingleFlightCache(100, len), Maker(), []
    scope = anyio.CancelScope()

    async def ask() -> None:
        results.append(await cache.get("a", maker.make))

    async def ask_and_leave() -> None:
        with scope:
            await cache.get("a", maker.make)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await settle()
        tasks.start_soon(ask_and_leave)
        await settle()
        scope.cancel()
        maker.open.set()

    assert (maker.calls, results) == (1, ["x" * 10])


async def test_a_failure_goes_to_all_who_wait_and_is_not_results() -> None:
    cache, maker, errors = SingleFlightCache(100, len), Maker(), []
    maker.broken = ValueError("broken")

    async def ask() -> None:
        with pytest.raises(ValueError, match="broken") as caught:
            await cache.get("a", maker.make)
        errors.append(caught.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
        await settle()
        maker.open.set()
    maker.broken = None

    assert (maker.calls, len(errors)) == (1, 3)
    assert await cache.get("a", maker.make) == "x" * 10


async def test_what_is_not_used_for_longest_goes_first() -> None:
    cache, maker = SingleFlightCache(25, len), Maker()
    maker.open.set()

    for key in "abac":  # `c` does not fit beside both, and `b` is the older one
        await cache.get(key, maker.make)
    assert maker.calls == 3
    await cache.get("a", maker.make)
    await cache.get("c", maker.make)
    assert maker.calls == 3
    await cache.get("b", maker.make)
    assert maker.calls == 4
    assert (
        cache._size == sum(len(str(result)) for result in cache._results.values()) == 20
    )


async def test_what_is_too_large_to_be_kept_still_reaches_all_who_wait() -> None:
    cache, maker, results = SingleFlightCache(5, len), Maker(), []

    async def ask() -> None:
        results.append(await cache.get("a", maker.make))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
        await settle()
        maker.open.set()

    assert (maker.calls, len(results), cache._size) == (1, 3, 0)


class Body(bytearray):
    """Bytes that can be looked for after they were dropped."""


async def test_a_failure_for_all_who_wait_holds_nothing_of_the_work() -> None:
    cache, bodies = SingleFlightCache(100, len), list[ref[Body]]()

    async def fail() -> str:
        body = Body(100)
        bodies.append(ref(body))
        raise ValueError(f"no image in {len(body)} bytes")

    failures = []
    gc.disable()
    try:
        for _ in range(2):
            try:
                await cache.get("a", fail)
            except ValueError as error:
                failures.append(error)
        bodies_left = [body() for body in bodies]
    finally:
        gc.enable()

    assert bodies_left == [None, None]
    assert len(failures) == 2
