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
"""The share where no rate was found yet, and where one is stated, which is trusted
longer."""

RECENT = 50
"""The last so many purchases, twice as many at most, are what left lately."""

STATED_SEVERAL = 4
"""So many where the job states the rate, and does not ask for one."""

BORNE_SHARE, WAIVED_S = 0.9, 60.0
"""Where many are refused below this share of what was taken before a rate was looked
for, the rate is not to blame: the stated one holds again, for so long [assumed]."""

IN_VAIN = 3
"""So many refusals with nothing taken between them, each after a longer pause, show
that the provider counts over a whole minute."""


@dataclass(frozen=True, slots=True)
class Use:
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


class Pacing:
    """What one provider is asked at a time, by its own word or by ours.

    A rate is looked for in any case, as soon as the provider throttles, and never above
    what the job states: a provider that throttles at the stated rate is slower.

    Args:
        departures: Whose pace is set.
        concurrency: Purchases under way; a Finder where the limit is to be found.
        rpm: Finds the purchases in a minute.
        clock: Monotonic seconds.
        remembers_rate: Whether the rate that was found is worth remembering: the job
            asks for it.
    """

    def __init__(
        self,
        departures: Departures,
        concurrency: int | Finder,
        rpm: Finder,
        clock: Callable[[], float],
        *,
        remembers_rate: bool = False,
    ) -> None:
        self._departures = departures
        self._said = concurrency if isinstance(concurrency, int) else MOST_AT_ONCE
        self._at_once = concurrency if isinstance(concurrency, Finder) else None
        self._rpm = rpm
        self._remembers_rate = remembers_rate
        self._clock = clock
        self._accepted = self._proved = 0.0
        self._is_rate = self._by_window = False
        self._lowered_at = self._full_at = -inf
        self._throttles: deque[float] = deque()
        self._number = 0
        self._left_at = -inf
        self._refused_number = 0
        self._in_a_row = 0
        self._paused_at = -inf
        self._rate_before = rpm.dump()
        self._is_engaged = False
        # Refusals among the purchases that left lately: those after this number.
        self._set_number, self._refusals = 0, 0.0
        self._borne = 0.0  # purchases in a minute, before a rate was looked for
        self._waived_until = -inf
        self._is_known_at_once = False  # whether the last refusal was about that
        self._apply()
        if remembers_rate and not isfinite(rpm.value):
            departures.begin_slowly()

    @property
    def places(self) -> int:
        """Most purchases under way."""
        return self._said if self._at_once is None else int(self._at_once.value)

    @property
    def finders(self) -> dict[str, Finder]:
        """What is to be remembered, by the name of its setting."""
        rpm = self._rpm if self._remembers_rate else None
        both = {"concurrency": self._at_once, "rpm": rpm}
        return {name: finder for name, finder in both.items() if finder is not None}

    def leaving(self, in_flight: int) -> Use:
        """Return what is under way as one more leaves."""
        now = self._clock()
        if in_flight >= FULL * self.places:
            self._full_at = now
        gap_s, self._left_at = now - self._left_at, now
        self._number += 1
        if self._number - self._set_number >= 2 * RECENT:
            self._set_number += RECENT
            self._refusals /= 2
        in_minute = self._departures.in_window()
        return Use(now, in_flight, in_minute, self._number, gap_s)

    def accepted(self, use: Use) -> None:
        """Take note of a purchase that was not throttled."""
        if use.number > self._refused_number:
            self._in_a_row = 0
        if use.at > self._lowered_at:
            self._accepted = max(self._accepted, use.in_flight)
        # Many come back and leave again at once: full is what it was meanwhile.
        if self._at_once is not None and self._full_at >= use.at:
            self._at_once.worked()
        if self._is_at_pace(use):
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
            taken = use.number - self._refused_number - 1
            self._in_a_row = 1 if taken > 0 else self._in_a_row + 1
        self._refused_number = max(self._refused_number, use.number)
        self._refusals += use.number > self._set_number
        self._lower(use, in_flight - 1, now)
        if wait_s:
            return wait_s
        pauses = self._in_a_row - 1
        if pauses:
            self._departures.begin_slowly()  # else all places fill at once behind it
        if self._is_pacing:
            if not pauses:
                return self._departures.gap_s  # others were taken just before
            pauses -= 1
        return min(SILENT_S * float(2 ** min(pauses, 10)), LONGEST_S)

    @property
    def _is_pacing(self) -> bool:
        """Whether a rate is looked for: the job asks for it, or many were refused."""
        return self._remembers_rate or self._is_engaged

    def _are_several(self) -> bool:
        """Tell whether enough was refused since the rate was set to blame the rate."""
        if self._in_a_row > 1 and self._remembers_rate:
            return True
        if not self._remembers_rate:
            share = STATED_SHARE
        else:
            share = SHARE if isfinite(self._rpm.value) else FIRST_SHARE
        left = self._number - self._set_number
        several = SEVERAL if self._remembers_rate else STATED_SEVERAL
        return self._refusals >= several and self._refusals >= share * left

    def _lower(self, use: Use, others: int, now: float) -> None:
        self._throttles.append(now)
        while self._throttles[0] <= now - WINDOW_S:
            self._throttles.popleft()
        is_first = use.at >= self._lowered_at  # else of the same burst as the last
        if is_first:
            self._lowered_at = now
            if self._accepted:
                self._proved, self._accepted = self._accepted, 0.0
            self._is_rate = self._is_about_rate(use, others)
        if self._at_once is not None and not self._is_rate:
            self._at_once.refused(others, use.at, now)
        elif is_first or not isfinite(self._rpm.value):
            self._lower_rate(use, others, now)

    def _is_about_rate(self, use: Use, others: int) -> bool:
        """Tell whether a refusal is about the rate, not about how many are under way.

        Where both may be, the rate is lowered first. When the next one is refused, too,
        with as many under way, it was the other: the rate is what it was.
        """
        if self._at_once is None:
            return True
        if not self._remembers_rate:
            return False  # the job states the rate, and asks for the other limit
        if self._rpm.is_beyond and self._is_at_pace(use):
            return True
        return not self._at_once.is_beyond and self._is_rather_about_rate(others)

    def _is_rather_about_rate(self, others: int) -> bool:
        """Tell it where no step beyond a limit was tried."""
        if others < BELOW * self._proved:
            self._is_known_at_once = False
            return True
        if self._in_a_row >= IN_VAIN and not self._is_known_at_once:
            self._is_known_at_once = True
            self._rpm.restore(self._rate_before)
            self._apply()
        elif self._in_a_row <= 1:
            self._rate_before = self._rpm.dump()
        return not self._is_known_at_once

    def _is_at_pace(self, use: Use) -> bool:
        """Tell whether a purchase left about as soon as the rate allowed."""
        return use.gap_s * FULL <= 60.0 / self._rpm.value

    def _lower_rate(self, use: Use, others: int, now: float) -> None:
        if self._in_a_row > IN_VAIN or now < self._waived_until:
            return  # nothing is taken at any rate, or as many at each
        is_step = self._rpm.is_beyond and self._is_at_pace(use)
        if not is_step and not self._are_several():
            return
        if not self._remembers_rate and not self._is_engaged:
            if self._departures.span_s() < ENOUGH_S:
                self._departures.begin_slowly()
                return
            self._borne = self._borne_rate()
        elif not is_step and self._rpm.value < BORNE_SHARE * self._borne:
            self._waive(now)
            return
        self._is_engaged = True
        # What is under way may be all that the provider takes at a time.
        may_be_window = self._remembers_rate or not others
        self._by_window |= may_be_window and self._in_a_row == IN_VAIN
        taken: float | None
        if self._by_window:
            taken = float(self._taken())
        elif isfinite(self._rpm.value):
            taken = self._rpm.held
        elif (taken := self._measured_rate(use)) is None:
            self._departures.begin_slowly()
            return
        self._rpm.refused(taken, use.at, now)
        self._set_number, self._refusals = self._number, 0.0
        self._apply()

    def _measured_rate(self, use: Use) -> float | None:
        """Return the rate that was refused; None where nothing tells.

        A gap may be a pause of ours, which is no pace: a stated rate is not lowered
        for that below what the provider bears. And a reserve that is used up lets many
        pass in a moment: so the last gap is not believed far beyond the mean.
        """
        asked = 60.0 / use.gap_s if TOGETHER_S <= use.gap_s < inf else 0.0
        borne = self._borne_rate()
        if not self._remembers_rate:
            return max(asked, borne) or None
        return (min(asked, RESERVE * borne) if borne else asked) or borne or None

    def _borne_rate(self) -> float:
        """Return how many in a minute were taken of late; 0 where nobody knows yet."""
        span_s = self._departures.span_s()
        return self._taken() * 60.0 / span_s if span_s >= ENOUGH_S else 0.0

    def _waive(self, now: float) -> None:
        """Let the stated rate hold again: refusals are about something else.

        The provider is busy, or takes only so many at a time.
        """
        self._waived_until = now + WAIVED_S
        self._borne, self._is_engaged, self._by_window = 0.0, False, False
        self._set_number, self._refusals = self._number, 0.0
        self._rpm.restore(None)
        self._apply()

    def _taken(self) -> int:
        """Return how many of the last minute's purchases were not throttled."""
        return self._departures.in_window() - len(self._throttles)

    def _apply(self) -> None:
        self._departures.pace_at(self._rpm.value, by_window=self._by_window)
