"""The time that is left, as it is shown: where it grows, the reason is shown, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

NOISE = 1.25
"""An estimate that grows by less than this factor says nothing new: it is not shown."""

REASON_S = 90.0
"""A reason is shown for so long at least: longer than from one line to the next."""


class TimeLeft:
    """Remembers what was shown, so that nothing larger is shown without a reason.

    Args:
        reasons: Returns what a run waits for now.
    """

    def __init__(self, reasons: Callable[[], Sequence[str]]) -> None:
        self._reasons = reasons
        self._shown_s = inf
        self._rows = 0
        self._ended = 0
        self._ended_at = 0.0
        self._reason = ""
        self._reason_until = -inf
        self._grew_from_s = inf

    def show(
        self, now: float, estimate_s: float | None, *, rows: int, ended: int
    ) -> tuple[float | None, str]:
        """Return the seconds to be shown, and why they grew of late ("" for no reason).

        Args:
            now: Monotonic seconds.
            estimate_s: Seconds that are left at the present pace; None if unknown.
            rows: Rows in scope.
            ended: Those of them that came to their end.
        """
        is_larger_job, self._rows = rows > self._rows, max(rows, self._rows)
        if ended != self._ended or not self._ended_at:
            self._ended, self._ended_at = ended, now
        if estimate_s is None:
            return None, self._first_reason()
        if estimate_s > self._shown_s:
            reason = self._first_reason()
            if not reason and not is_larger_job and estimate_s < self._shown_s * NOISE:
                return self._shown_s, self._reason_at(now)
            if self._reason_at(now):
                self._grew_from_s = min(self._grew_from_s, self._shown_s)
            else:
                self._grew_from_s = self._shown_s
            self._reason = reason or self._pace_words(now, is_larger_job=is_larger_job)
            self._reason_until = now + REASON_S
        elif estimate_s <= self._grew_from_s:
            self._reason_until = now  # it is less again than before
        self._shown_s = estimate_s
        return estimate_s, self._reason_at(now)

    def _first_reason(self) -> str:
        return next(iter(self._reasons()), "")

    def _reason_at(self, now: float) -> str:
        return self._reason if now < self._reason_until else ""

    def _pace_words(self, now: float, *, is_larger_job: bool) -> str:
        if is_larger_job:
            return "more rows were read"
        minutes = int((now - self._ended_at) // 60)
        if minutes:
            noun = "minute" if minutes == 1 else "minutes"
            return f"no row has ended for {minutes} {noun}"
        return "rows end more slowly than before"
