"""Shared by all services of one sandbox: state, faults, latency, drawing, clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Literal, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from batchgen.sandbox.drawing import draw
from batchgen.sandbox.faults import Faults, roll
from batchgen.sandbox.state import State
from batchgen.sandbox.state_records import Picture

P = ParamSpec("P")
T = TypeVar("T")

Latency = float | Literal["real"] | None
"""Seconds that an image takes; `real` for 8 to 25, None for 0.05 to 0.2."""


class SandboxContext:
    """State, faults, latency, drawing and clock; independent of protocols."""

    def __init__(
        self,
        state: State,
        faults: Faults,
        *,
        url: str,
        latency: Latency,
        clock: Callable[[], float],
    ) -> None:
        self.state = state
        self.faults = faults
        self.url = url
        self.now = clock
        self.held_replies = 0
        self._latency = latency
        self._release = anyio.Event()
        # One at a time, so that transactions wait here and not in threads.
        self._state_limiter = anyio.CapacityLimiter(1)
        self._drawing_limiter = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def transact(
        self, transaction: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one of the state's transactions in a thread."""
        work = partial(transaction, *args, **kwargs)
        return await anyio.to_thread.run_sync(work, limiter=self._state_limiter)

    async def draw(self, picture: Picture) -> bytes:
        return await anyio.to_thread.run_sync(
            draw, picture, limiter=self._drawing_limiter
        )

    def latency_s(self, content: str, factor: float = 1.0) -> float:
        """Return how long an image takes, in seconds.

        Args:
            content: The same content takes the same time.
            factor: For slower providers; not used with real latency.
        """
        random_value = roll("latency", content)
        if self._latency == "real":
            return 8 + 17 * random_value
        if self._latency is None:
            return (0.05 + 0.15 * random_value) * factor
        return self._latency

    async def hold_reply(self) -> None:
        """Wait until held replies are released."""
        self.held_replies += 1
        try:
            await self._release.wait()
        finally:
            self.held_replies -= 1

    def release_replies(self) -> int:
        """Send all held replies; return how many there were."""
        self._release.set()
        self._release = anyio.Event()
        return self.held_replies
