"""Run async code without a running event loop, or in a thread beside a running one."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


def run_loop(main: Callable[[], Awaitable[T]]) -> T:
    """Run an async function in an event loop of its own, in this thread."""
    results: list[T] = []

    async def run_main() -> None:
        results.append(await main())

    try:
        anyio.run(run_main)
    except RuntimeError:
        # asyncio ends its threads by one more thread, which the system may refuse.
        if not results:
            raise
    return results[0]


def is_in_loop() -> bool:
    """Say whether an event loop, of asyncio or another library, runs in this thread."""
    try:
        anyio.get_cancelled_exc_class()
    except RuntimeError:
        return False
    return True


def is_in_asyncio() -> bool:
    """Say whether the event loop that runs in this thread is asyncio's."""
    return anyio.get_cancelled_exc_class().__module__.startswith("asyncio")


async def wait_for_thread(work: Callable[[], T]) -> tuple[T, BaseException | None]:
    """Call a function in a thread and wait for its end, even when cancelled.

    A task that asyncio cancels leaves anyio's shields, while the thread goes on.

    Returns:
        What the function returns, and the cancellation that came meanwhile, which the
        caller must raise once what was begun is undone.
    """
    thread = _Work(work)
    cancelled: BaseException | None = None
    with anyio.CancelScope(shield=True):
        while not thread.has_ended.is_set():
            try:
                await anyio.to_thread.run_sync(thread.has_ended.wait)
            except anyio.get_cancelled_exc_class() as error:
                cancelled = error
    if thread.error is not None:
        raise cancelled or thread.error
    return thread.results[0], cancelled


class _Work(Generic[T]):
    """A function that runs in a thread of its own."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.has_ended = threading.Event()
        self.results: list[T] = []
        self.error: BaseException | None = None
        # Not a worker of anyio: a task that is cancelled early never starts one.
        threading.Thread(target=self._run, name="batchgen", daemon=True).start()

    def _run(self) -> None:
        try:
            self.results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller
            self.error = error
        finally:
            self.has_ended.set()


@asynccontextmanager
async def entered_in_threads(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context in threads; what was entered is always left."""
    value, cancelled = await wait_for_thread(context.__enter__)
    try:
        if cancelled is not None:
            raise cancelled
        yield value
    finally:
        leave = partial(context.__exit__, None, None, None)
        _, cancelled = await wait_for_thread(leave)
        if cancelled is not None:
            raise cancelled


def in_thread(work: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """Call a function in another thread, and return its result.

    Args:
        work: The function.
        interrupt: Makes the function end soon; called on Ctrl-C.

    Raises:
        BaseException: what the function raises.
    """
    thread = _Work(work)
    try:
        # After Ctrl-C, `join` would believe that the thread has ended.
        thread.has_ended.wait()
    except BaseException:
        interrupt()
        thread.has_ended.wait()
        raise
    if thread.error is not None:
        raise thread.error
    return thread.results[0]
