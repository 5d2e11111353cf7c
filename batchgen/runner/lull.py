"""Let downloads wait for a lull between purchases: an empty place costs most."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from batchgen.bell import Bell

QUIET_S = 0.02
LONGEST_S = 0.3


class Lull:
    """Tells when no purchase left or came back for a moment.

    Hundreds of replies can come at once. Who is sent again only after their images
    are downloaded finds the places in flight empty for that long; so images wait,
    but never for long.
    """

    def __init__(self, tasks: TaskGroup, clock: Callable[[], float]) -> None:
        self._tasks = tasks
        self._clock = clock
        self._stirred = -float("inf")
        self._is_kept = False
        self._quiet = Bell()

    def stir(self) -> None:
        """Take note of a purchase that leaves, or of one that came back."""
        self._stirred = self._clock()
        if not self._is_kept:
            self._is_kept = True
            self._tasks.start_soon(self._keep)

    async def wait(self) -> None:
        """Wait for the lull, or long enough."""
        if self._is_kept:
            with anyio.move_on_after(LONGEST_S):
                await self._quiet.wait()

    async def _keep(self) -> None:
        while (left_s := self._stirred + QUIET_S - self._clock()) > 0:  # noqa: ASYNC110 - a clock
            await anyio.sleep(left_s)
        self._is_kept = False
        self._quiet.ring()
