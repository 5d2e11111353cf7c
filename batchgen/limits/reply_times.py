"""How long purchases take at one provider: an answer can be too quick for one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

COMPARED = 20
"""The fastest of so many successes counts: the last ones."""

LEAST_S = 0.4
"""A provider that sells faster may have sold before any answer [assumed]."""

QUICK, QUICK_S = 0.25, 1.0
"""An answer within this share of the fastest success, and so many seconds, has bought
nothing [assumed]. However long purchases take: what a gateway refuses to pass on comes
at once, and what comes later may have been passed on and lost."""

RECENT_S = 300.0
"""A success is so long a sign that others succeed [assumed]."""


class ReplyTimes:
    """Times from a purchase's departure to the head of a reply that sold or accepted.

    A long body says nothing of how long the provider worked.

    Args:
        clock: Monotonic seconds.

    Attributes:
        undecided: Answers that wait for the first success, which tells what they mean.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times_s: deque[float] = deque(maxlen=COMPARED)
        self._succeeded_at = -float("inf")
        self.undecided = 0

    def succeeded(self, took_s: float) -> None:
        """Take note of a success and of how long the head of its reply took."""
        self._times_s.append(took_s)
        self._succeeded_at = self._clock()

    @property
    def is_fresh(self) -> bool:
        """Whether others succeed: without that, times say nothing."""
        return self._clock() - self._succeeded_at <= RECENT_S

    def is_too_quick(self, took_s: float) -> bool:
        """Say whether an answer came too quickly for anything to have been bought."""
        if not self.is_fresh:
            return False
        fastest_s = min(self._times_s)
        return fastest_s >= LEAST_S and took_s <= min(QUICK_S, QUICK * fastest_s)
