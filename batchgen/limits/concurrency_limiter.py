"""How many purchases may be under way: stated by the job, or learned by trying."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite

from batchgen.limits.aimd_limit import AimdLimit
from batchgen.limits.rate_limiter import RateLimiter
from batchgen.limits.rate_search import FULL, IN_VAIN, Load, RateSearch

MAX_CONCURRENCY = 512
"""Purchases under way that are tried at most where the job states none [assumed]."""

SILENT_S, LONGEST_S = 1.0, 60.0
"""Pause of all requests after a 429 that names no wait; it doubles with each one that
follows before anything was accepted [assumed]."""

BELOW = 0.75
"""A refusal with fewer under way than this share of what was accepted before is about
the rate, not about how many are under way."""


class ConcurrencyLimiter:
    """How many purchases one provider gets at a time.

    A refusal is about the number of purchases under way, or about the rate. This class
    decides which.

    Args:
        rate_limiter: Its pace is set.
        concurrency: Purchases under way; an AimdLimit where the limit is to be learned.
        rpm: Finds the purchases in a minute.
        clock: Monotonic seconds.
        remembers_rate: Whether the rate that was learned is worth remembering: the job
            asks for it.
    """

    def __init__(
        self,
        rate_limiter: RateLimiter,
        concurrency: int | AimdLimit,
        rpm: AimdLimit,
        clock: Callable[[], float],
        *,
        remembers_rate: bool = False,
    ) -> None:
        self._rate_limiter = rate_limiter
        self._stated = concurrency if isinstance(concurrency, int) else MAX_CONCURRENCY
        self._aimd_limit = concurrency if isinstance(concurrency, AimdLimit) else None
        self._rate = RateSearch(rate_limiter, rpm, is_asked_for=remembers_rate)
        self._clock = clock
        self._accepted = self._proved = 0.0
        self._is_rate = False
        self._lowered_at = self._full_at = -inf
        self._number = 0
        self._left_at = -inf
        self._refused_number = 0
        self._in_a_row = 0
        self._paused_at = -inf
        self._is_about_slots = False  # whether the last refusal was about that

    @property
    def slots(self) -> int:
        """Maximum of purchases under way."""
        return self._stated if self._aimd_limit is None else int(self._aimd_limit.value)

    @property
    def aimd_limits(self) -> dict[str, AimdLimit]:
        """What is to be remembered, by the name of its setting."""
        rpm = self._rate.aimd_limit if self._rate.is_asked_for else None
        both = {"concurrency": self._aimd_limit, "rpm": rpm}
        return {
            name: aimd_limit
            for name, aimd_limit in both.items()
            if aimd_limit is not None
        }

    def record_start(self, in_flight: int) -> Load:
        """Count one more purchase, and return what is under way with it."""
        now = self._clock()
        if in_flight >= FULL * self.slots:
            self._full_at = now
        gap_s, self._left_at = now - self._left_at, now
        self._number += 1
        in_minute = self._rate_limiter.in_window()
        return Load(now, in_flight, in_minute, self._number, gap_s)

    def record_acceptance(self, load: Load) -> None:
        """Record a purchase that was not throttled."""
        if load.number > self._refused_number:
            self._in_a_row = 0
        if load.at > self._lowered_at:
            self._accepted = max(self._accepted, load.in_flight)
        # Many come back and leave again at once: full is what it was meanwhile.
        if self._aimd_limit is not None and self._full_at >= load.at:
            self._aimd_limit.record_success()
        self._rate.record_acceptance(load)

    def record_throttle(
        self, load: Load, in_flight: int, wait_s: float | None
    ) -> float:
        """Record one that was throttled.

        Args:
            load: What was under way when it left.
            in_flight: What still is, itself included.
            wait_s: What the provider asked for, a floor for all its rows.

        Returns:
            Seconds for which nothing should leave.
        """
        now = self._clock()
        if load.at >= self._paused_at:
            self._paused_at = now
            accepted = load.number - self._refused_number - 1
            self._in_a_row = 1 if accepted > 0 else self._in_a_row + 1
        self._refused_number = max(self._refused_number, load.number)
        self._rate.record_throttle(load, self._number, now)
        self._lower(load, in_flight - 1, now)
        return wait_s or self._pause_s()

    def _pause_s(self) -> float:
        """Return the pause after a refusal that names none."""
        pauses = self._in_a_row - 1
        if pauses:
            self._rate_limiter.begin_slowly()  # else all slots fill at once after it
        if self._rate.is_on:
            if not pauses:
                return self._rate_limiter.gap_s  # others were accepted just before
            pauses -= 1
        return min(SILENT_S * float(2 ** min(pauses, 10)), LONGEST_S)

    def _lower(self, load: Load, others: int, now: float) -> None:
        is_first = load.at >= self._lowered_at  # else of the same burst as the last
        if is_first:
            self._lowered_at = now
            if self._accepted:
                self._proved, self._accepted = self._accepted, 0.0
            self._is_rate = self._is_about_rate(load, others)
        if self._aimd_limit is not None and not self._is_rate:
            self._aimd_limit.record_refusal(others, load.at, now)
        elif is_first or not isfinite(self._rate.aimd_limit.value):
            self._rate.lower(load, others, self._in_a_row, now)

    def _is_about_rate(self, load: Load, others: int) -> bool:
        """Tell whether a refusal is about the rate, not about how many are under way.

        Where both may be, the rate is lowered first. When the next one is refused, too,
        with as many under way, it is about that number: the rate is restored.
        """
        if self._aimd_limit is None:
            return True
        if not self._rate.is_asked_for:
            return False  # the job states the rate, and asks for the other limit
        if self._rate.is_step_refused(load):
            return True
        return not self._aimd_limit.is_beyond and self._is_rather_about_rate(others)

    def _is_rather_about_rate(self, others: int) -> bool:
        """Tell it where no step beyond a limit was tried."""
        if others < BELOW * self._proved:
            self._is_about_slots = False
            return True
        if self._in_a_row >= IN_VAIN and not self._is_about_slots:
            self._is_about_slots = True
            self._rate.go_back()
        elif self._in_a_row <= 1:
            self._rate.remember()
        return not self._is_about_slots
