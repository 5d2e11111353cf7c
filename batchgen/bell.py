"""A bell for whoever waits for something to change."""

from __future__ import annotations

import anyio


class Bell:
    """Wakes all who wait; to ring it costs next to nothing while nobody does.

    There is no `await` between a waiter's look at what may change and its `wait`, so
    no ring is missed; where there must be one, `rings` tells of what came meanwhile.

    Attributes:
        rings: How often it rang.
    """

    def __init__(self) -> None:
        self._rung: anyio.Event | None = None
        self.rings = 0

    def ring(self) -> None:
        """Let everybody who waits look again."""
        self.rings += 1
        if self._rung is not None:
            self._rung.set()
            self._rung = None

    async def wait(self) -> None:
        """Wait until it rings."""
        if self._rung is None:
            self._rung = anyio.Event()
        await self._rung.wait()
