"""Run work in a thread that holds neither the work nor its result afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class _Job(Generic[T]):
    """Work for a thread that holds neither the work nor its result afterwards.

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
    """Run work in a thread, or in this one where the system starts no more threads.

    That is slow, but an image that was paid for is stored.
    """
    job = _Job(work)
    try:
        await anyio.to_thread.run_sync(job.run)
    except RuntimeError:
        if job.has_begun:
            raise
        job.run()
    return job.take_result()
