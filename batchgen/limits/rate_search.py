"""Find the rate that a provider takes, from what it refuses and what it does not."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf, isfinite

from batchgen.limits.aimd_limit import AimdLimit
from batchgen.limits.rate_limiter import WINDOW_S, RateLimiter

FULL = 0.75
"""Share of a limit that must have been used for an answer to say anything of it."""

TOGETHER_S = 0.005
"""Purchases with a shorter gap left at once, which says nothing of a rate."""

RESERVE = 4.0
"""The rate between two purchases is believed up to so many times the mean so far."""

ENOUGH_S = 3.0
"""A rate is measured over so many seconds at least."""

SEVERAL, SHARE = 2, 0.1
"""So many refusals, and such a share of what left lately, are about the rate. Busy
providers refuse one now and then at any rate."""

FIRST_SHARE, STATED_SHARE = 0.03, 0.2
"""The share where no rate was learned yet, and where one is stated, which is trusted
longer."""

RECENT = 50
"""The last so many purchases, twice as many at most, are what left lately."""

STATED_SEVERAL = 4
"""So many where the job states the rate, and does not ask for one."""

EARLIER_SHARE, WAIVED_S = 0.9, 60.0
"""Where many are refused below this share of what was accepted before a rate was looked
for, the rate is not to blame: the stated one holds again, for so long [assumed]."""

IN_VAIN = 3
"""So many refusals with nothing accepted between them, each after a longer pause, show
that the provider counts over a whole minute."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was under way when a purchase left, itself included.

    Attributes:
        at: Monotonic seconds.
        in_minute: Purchases that left in the minute before.
        number: Of this purchase, counted as they leave.
        gap_s: Seconds since the one before left.
    """

    at: float
    in_flight: int
    in_minute: int
    number: int = 0
    gap_s: float = 0.0


class RateSearch:
    """Looks for a rate as soon as the provider throttles.

    It is never above what the job states: a provider that throttles at the stated rate
    is slower.

    Args:
        rate_limiter: Its pace is set.
        aimd_limit: Finds the purchases in a minute.
        is_asked_for: Whether the job states no rate, but asks for one.
    """

    def __init__(
        self, rate_limiter: RateLimiter, aimd_limit: AimdLimit, *, is_asked_for: bool
    ) -> None:
        self.aimd_limit = aimd_limit
        self.is_asked_for = is_asked_for
        self._rate_limiter = rate_limiter
        self._is_engaged = self._by_window = False
        self._throttles: deque[float] = deque()
        # Refusals among the purchases that left lately: those after this number.
        self._number, self._set_number, self._refusals = 0, 0, 0.0
        self._rate_before = 0.0  # purchases in a minute, before a rate was looked for
        self._waived_until = -inf
        self._before = aimd_limit.dump()
        self._apply()
        if is_asked_for and not isfinite(aimd_limit.value):
            rate_limiter.begin_slowly()

    @property
    def is_on(self) -> bool:
        """Whether a rate is looked for: the job asks for it, or many were refused."""
        return self.is_asked_for or self._is_engaged

    def is_at_pace(self, load: Load) -> bool:
        """Tell whether a purchase left about as soon as the rate allowed."""
        return load.gap_s * FULL <= 60.0 / self.aimd_limit.value

    def is_step_refused(self, load: Load) -> bool:
        """Tell whether a purchase left while a step beyond the ceiling was tried."""
        return self.aimd_limit.is_beyond and self.is_at_pace(load)

    def record_acceptance(self, load: Load) -> None:
        """Record a purchase that was not throttled."""
        if self.is_at_pace(load):
            self.aimd_limit.record_success()
            self._apply()

    def record_throttle(self, load: Load, number: int, now: float) -> None:
        """Record one that was throttled, whatever it is about.

        Args:
            load: What was under way when it left.
            number: Of the purchase that left last.
            now: The time.
        """
        self._number = number
        while number - self._set_number >= 2 * RECENT:
            self._set_number += RECENT
            self._refusals /= 2
        self._refusals += load.number > self._set_number
        self._throttles.append(now)
        while self._throttles[0] <= now - WINDOW_S:
            self._throttles.popleft()

    def remember(self) -> None:
        """Remember the rate, to which `go_back` returns."""
        self._before = self.aimd_limit.dump()

    def go_back(self) -> None:
        """Let the remembered rate hold again: it was not to blame."""
        self.aimd_limit.restore(self._before)
        self._apply()

    def lower(self, load: Load, others: int, in_a_row: int, now: float) -> None:
        """Lower the rate for a refusal, if enough was refused to blame it.

        Args:
            load: What was under way when the purchase left.
            others: What still is, this one left out.
            in_a_row: Refusals with nothing accepted between them.
            now: The time.
        """
        aimd_limit = self.aimd_limit
        if in_a_row > IN_VAIN or now < self._waived_until:
            return  # nothing is accepted at any rate, or as much at each
        is_step = self.is_step_refused(load)
        if not is_step and not self._are_several(in_a_row):
            return
        if not self.is_on:
            if self._rate_limiter.span_s() < ENOUGH_S:
                self._rate_limiter.begin_slowly()
                return
            self._rate_before = self._mean_rate()
        elif not is_step and aimd_limit.value < EARLIER_SHARE * self._rate_before:
            self._waive(now)
            return
        self._is_engaged = True
        # What is under way may be all that the provider takes at a time.
        may_be_window = self.is_asked_for or not others
        self._by_window |= may_be_window and in_a_row == IN_VAIN
        rate = self._working_rate(load)
        if rate is None:
            self._rate_limiter.begin_slowly()
            return
        aimd_limit.record_refusal(rate, load.at, now)
        self._set_number, self._refusals = self._number, 0.0
        self._apply()

    def _are_several(self, in_a_row: int) -> bool:
        """Tell whether enough was refused since the rate was set to blame the rate."""
        if in_a_row > 1 and self.is_asked_for:
            return True
        if not self.is_asked_for:
            share = STATED_SHARE
        else:
            share = SHARE if isfinite(self.aimd_limit.value) else FIRST_SHARE
        recent = self._number - self._set_number
        several = SEVERAL if self.is_asked_for else STATED_SEVERAL
        return self._refusals >= several and self._refusals >= share * recent

    def _working_rate(self, load: Load) -> float | None:
        """Return the rate that the provider took; None where nothing tells."""
        if self._by_window:
            return float(self._accepted_in_minute())
        if isfinite(self.aimd_limit.value):
            return self.aimd_limit.before_last_step
        return self._measured_rate(load)

    def _measured_rate(self, load: Load) -> float | None:
        """Return the rate that was refused; None where nothing tells.

        A gap may be a pause of ours, which is no pace: a stated rate is not lowered
        for that below what the provider bears. And a reserve that is used up lets many
        pass in a moment: so the last gap is not believed far beyond the mean.
        """
        gap_rate = 60.0 / load.gap_s if TOGETHER_S <= load.gap_s < inf else 0.0
        mean_rate = self._mean_rate()
        if not self.is_asked_for:
            return max(gap_rate, mean_rate) or None
        if mean_rate:
            gap_rate = min(gap_rate, RESERVE * mean_rate)
        return gap_rate or mean_rate or None

    def _mean_rate(self) -> float:
        """Return how many in a minute were accepted lately; 0 while that is unknown."""
        span_s = self._rate_limiter.span_s()
        return self._accepted_in_minute() * 60.0 / span_s if span_s >= ENOUGH_S else 0.0

    def _waive(self, now: float) -> None:
        """Let the stated rate hold again: refusals are about something else.

        The provider is busy, or takes only so many at a time.
        """
        self._waived_until = now + WAIVED_S
        self._rate_before, self._is_engaged, self._by_window = 0.0, False, False
        self._set_number, self._refusals = self._number, 0.0
        self.aimd_limit.restore(None)
        self._apply()

    def _accepted_in_minute(self) -> int:
        """Return how many of the last minute's purchases were not throttled."""
        return self._rate_limiter.in_window() - len(self._throttles)

    def _apply(self) -> None:
        self._rate_limiter.pace_at(self.aimd_limit.value, by_window=self._by_window)
