"""Hours of waiting in no time: trio's mock clock, which jumps to the next deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
import trio.testing


def live_through(work: Callable[[], Awaitable[None]], *, seed: int = 0) -> None:
    """Run an async function that only waits and computes; every sleep is a jump.

    Which of several tasks goes first is drawn from the seed, as pytest-trio does it.
    """
    scheduler = trio._core._run
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    scheduler._r.seed(seed)
    clock = trio.testing.MockClock(autojump_threshold=0)
    # By trio itself: older versions of anyio drop the options of a backend.
    trio.run(work, clock=clock)


async def uncut_sleep(seconds: float) -> None:
    """Let what nothing can stop take its time; half of what it costs through anyio."""
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)
