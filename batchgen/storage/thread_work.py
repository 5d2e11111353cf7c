"""Run work in a thread that holds neither the work nor its result afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class _ThreadWork(Generic[T]):
    """Work that no thread refers to afterwards, neither to it nor to its result.

    The threads of older anyio keep a reference to their last work and its result, which
    would be an image for each thread, until they get other work.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = [work]
        self._results: list[T] = []

    @property
    def has_begun(self) -> bool:
        return not self._work

    def run(self) -> None:
        self._results.append(self._work.pop()())

    def take_result(self) -> T:
        return self._results.pop()


async def to_thread(work: Callable[[], T]) -> T:
    """Run work in a thread, or in this one if the system starts no more threads.

    The second is slow, but a paid image is stored.
    """
    thread_work = _ThreadWork(work)
    try:
        await anyio.to_thread.run_sync(thread_work.run)
    except RuntimeError:
        if thread_work.has_begun:
            raise
        thread_work.run()
    return thread_work.take_result()
