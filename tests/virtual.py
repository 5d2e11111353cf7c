"""Hours of waiting in no time: trio's mock clock, which jumps to the next deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import trio.testing


def live_through(work: Callable[[], Awaitable[None]]) -> None:
    """Run an async function that only waits and computes; every sleep is a jump."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    anyio.run(work, backend="trio", backend_options={"clock": clock})
