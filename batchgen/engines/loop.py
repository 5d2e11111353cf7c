"""Run async code where no event loop runs, and beside one that does."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


def run_loop(main: Callable[[], Awaitable[T]]) -> T:
    """Run an async function in an event loop of its own, in this thread."""
    results: list[T] = []

    async def kept() -> None:
        results.append(await main())

    try:
        anyio.run(kept)
    except RuntimeError:
        # asyncio ends its threads in one more, and the system may refuse that one.
        if not results:
            raise
    return results[0]


def is_in_loop() -> bool:
    """Say whether an event loop of any library runs in this thread."""
    try:
        anyio.get_current_task()
    except (RuntimeError, LookupError):
        return False
    return True


def in_thread(work: Callable[[], T]) -> T:
    """Return what a function returns that is called in another thread.

    Raises:
        BaseException: what the function raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller
            errors.append(error)

    thread = threading.Thread(target=call, name="batchgen", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
