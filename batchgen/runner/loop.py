"""Run async code without a running event loop, or in a thread beside a running one."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

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


def in_thread(work: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """Call a function in another thread, and return its result.

    Args:
        work: The function.
        interrupt: Makes the function end soon; called on Ctrl-C.

    Raises:
        BaseException: what the function raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    has_ended = threading.Event()

    def call() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller
            errors.append(error)
        finally:
            has_ended.set()

    threading.Thread(target=call, name="batchgen", daemon=True).start()
    try:
        has_ended.wait()  # after Ctrl-C, `join` would believe that the thread has ended
    except BaseException:
        interrupt()
        has_ended.wait()
        raise
    if errors:
        raise errors[0]
    return results[0]
