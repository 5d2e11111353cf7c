"""How many purchases may be under way, and how fast: said, or found by trying."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite

from batchgen.limits.departures import WINDOW_S, Departures
from batchgen.limits.finder import Finder

MOST_AT_ONCE = 512
"""Purchases under way that are tried at most where none are said [assumed]."""

SILENT_S, LONGEST_S = 1.0, 60.0
"""Pause of everybody after a 429 that names no wait; it doubles with each one that
follows before anything was accepted [assumed]."""

FULL = 0.75
"""Share of a limit that must have been used for an answer to say anything of it."""

BELOW = 0.75
"""A refusal with fewer under way than this share of what was accepted before is about
the rate, not about how many are under way."""


@dataclass(frozen=True, slots=True)
class Use:
    """What was under way when a purchase left, itself included.

    Attributes:
        at: Monotonic seconds.
        in_minute: Purchases that left in the minute before.
    """

    at: float
    in_flight: int
    in_minute: int


class Pacing:
    """What one provider is asked at a time, by its own word or by ours.

    Args:
        departures: Whose rate is set when it is to be found.
        concurrency: Purchases under way; a Finder where the limit is to be found.
        rpm: Finds the purchases in a minute; None where `departures` knows them.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        departures: Departures,
        concurrency: int | Finder,
        rpm: Finder | None,
        clock: Callable[[], float],
    ) -> None:
        self._departures = departures
        self._said = concurrency if isinstance(concurrency, int) else MOST_AT_ONCE
        self._at_once = concurrency if isinstance(concurrency, Finder) else None
        self._rpm = rpm
        self._clock = clock
        self._accepted = self._proved = 0.0
        self._is_rate = False
        self._lowered_at = self._full_at = -inf
        self._throttles: deque[float] = deque()
        self._in_a_row = 0
        self._paused_at = -inf
        self._apply()

    @property
    def places(self) -> int:
        """Most purchases under way."""
        return self._said if self._at_once is None else int(self._at_once.value)

    @property
    def finders(self) -> dict[str, Finder]:
        """What is being found, by the name of its setting."""
        both = {"concurrency": self._at_once, "rpm": self._rpm}
        return {name: it for name, it in both.items() if it is not None}

    def leaving(self, in_flight: int) -> Use:
        """Return what is under way as one more leaves."""
        if in_flight >= FULL * self.places:
            self._full_at = self._clock()
        return Use(self._clock(), in_flight, self._departures.in_window())

    def accepted(self, use: Use) -> None:
        """Take note of a purchase that was not throttled."""
        self._in_a_row = 0
        if use.at > self._lowered_at:
            self._accepted = max(self._accepted, use.in_flight)
        # Many come back and leave again at once: full is what it was meanwhile.
        if self._at_once is not None and self._full_at >= use.at:
            self._at_once.worked()
        if self._rpm is not None and use.in_minute >= FULL * self._rpm.value:
            self._rpm.worked()
            self._apply()

    def throttled(self, use: Use, in_flight: int, wait_s: float | None) -> float:
        """Take note of one that was.

        Args:
            use: What was under way when it left.
            in_flight: What still is, itself included.
            wait_s: What the provider asked for, a floor for all its rows.

        Returns:
            Seconds for which nothing should leave.
        """
        now = self._clock()
        if use.at >= self._paused_at:
            self._paused_at = now
            self._in_a_row += 1
        self._lower(use, in_flight - 1, now)
        growing = SILENT_S * float(2 ** min(self._in_a_row - 1, 10))
        return wait_s if wait_s else min(growing, LONGEST_S)

    def _lower(self, use: Use, others: int, now: float) -> None:
        self._throttles.append(now)
        while self._throttles[0] <= now - WINDOW_S:
            self._throttles.popleft()
        if use.at >= self._lowered_at:  # else it is of the same burst as the last
            self._lowered_at = now
            if self._accepted:
                self._proved, self._accepted = self._accepted, 0.0
            few = self._at_once is None or others < BELOW * self._proved
            self._is_rate = self._rpm is not None and few
        if self._rpm is not None and self._is_rate:
            taken = self._departures.in_window() - len(self._throttles)
            self._rpm.refused(taken, use.at, now)
            self._apply()
        elif self._at_once is not None:
            self._at_once.refused(others, use.at, now)

    def _apply(self) -> None:
        if self._rpm is not None and isfinite(self._rpm.value):
            self._departures.limit_to(self._rpm.value)
