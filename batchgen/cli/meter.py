"""Rate, time left and expected cost of a run; a time that grows has a reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from batchgen.budget import Scope
from batchgen.cli.formatting import counted
from batchgen.model import Status, to_usd
from batchgen.runner.progress import Progress

NOISE = 1.25
"""An estimate that grows by less than this factor is noise: it is not shown."""

REASON_S = 90.0
"""A reason is shown at least this long: longer than from one line to the next."""


class TimeLeft:
    """The time left, as shown: a longer time than before is shown with a reason.

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
        """Return the seconds to show, and why they grew recently ("" if they did not).

        Args:
            now: Monotonic seconds.
            estimate_s: Seconds left at the current pace; None if unknown.
            rows: Rows in scope.
            ended: Rows in scope that have ended.
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
            self._reason = reason or self._pace_reason(now, is_larger_job=is_larger_job)
            self._reason_until = now + REASON_S
        elif estimate_s <= self._grew_from_s:
            self._reason_until = now  # the time is as short again as before
        self._shown_s = estimate_s
        return estimate_s, self._reason_at(now)

    def _first_reason(self) -> str:
        return next(iter(self._reasons()), "")

    def _reason_at(self, now: float) -> str:
        return self._reason if now < self._reason_until else ""

    def _pace_reason(self, now: float, *, is_larger_job: bool) -> str:
        if is_larger_job:
            return "more rows were read"
        minutes = int((now - self._ended_at) // 60)
        if minutes:
            return f"no row has ended for {counted(minutes, 'minute')}"
        return "rows end more slowly than before"


RATE_OVER_S = 60.0
RATE_OVER_ROWS = 5
FIRST_ROWS_S = 8.0

_TRIED = (Status.SUCCEEDED, Status.FAILED, Status.REFUSED, Status.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One moment of a run, with all that the display needs.

    Attributes:
        per_minute: Images stored per minute, over the last minute.
        left_s: Seconds to the end at this pace; None if unknown.
        left_reason: Why that grew, or why it is unknown; empty otherwise.
        projected: Expected cost at the end in nano-dollars; None if unknown.
        rows: By status; `pending` includes rows that are not read yet.
        budget_levels: Scope, limit and use of each budget.
        rehearsed: Whether the money is pretend, as in a rehearsal.
    """

    phase: str
    total: int
    in_flight: int
    images: int
    per_minute: float
    spent: int
    at_risk: int
    projected: int | None
    left_s: float | None
    left_reason: str = ""
    budgets: tuple[str, ...] = ()
    superseded: int = 0
    rehearsed: bool = False
    rows: Mapping[Status, int] = field(default_factory=dict)
    budget_levels: Sequence[tuple[Scope, int, int]] = ()

    @property
    def is_early(self) -> bool:
        """Whether nothing can have been bought yet, or no row was read."""
        is_empty = self.phase == "running" and not self.total
        return is_empty or self.phase in ("starting", "planning")

    def line(self) -> str:
        """Return the view as one line of text."""
        if self.is_early:
            read = f": {counted(self.total, 'row')} read" if self.total else ""
            return f"{self.phase}{read}"
        parts = [self._ended(), *self._details(), *self._left()]
        return f"{self.phase}: {', '.join(parts)}"

    def below_the_bar(self) -> str:
        """Return the text below a bar; the bar's own line shows rows and time.

        The reason of a longer time is a second line: it is too long for the first.
        """
        reason = self.left_reason if self.phase == "running" else ""
        return "\n".join(filter(None, (", ".join(self._details()), reason)))

    def beside_the_bar(self) -> str:
        """Return the text beside the bar: rows that ended, and the time left."""
        parts = [self._ended()]
        if self.phase == "running" and self.left_s:
            parts.append(f"{_clock(self.left_s)} left")
        return ", ".join(parts)

    @property
    def ended(self) -> int:
        """Rows that have ended, with any status but `pending`."""
        return sum(
            count for status, count in self.rows.items() if status != Status.PENDING
        )

    def _ended(self) -> str:
        return f"{self.ended} of {counted(self.total, 'row')}"

    def _details(self) -> list[str]:
        parts = [
            f"{count} {status}"
            for status in Status
            if (count := self.rows.get(status)) and status is not Status.PENDING
        ]
        parts.append(f"{self.in_flight} in flight")
        of_projected = ""
        if self.phase == "running":
            digits = 0 if self.per_minute >= 10 else 1
            parts.append(f"{self.per_minute:.{digits}f} images/min")
            if self.projected is not None:
                of_projected = f" of about {_cents(self.projected)}"
        # A rehearsal's money must never look real.
        mark = "pretend " if self.rehearsed else ""
        parts.append(f"{mark}{_cents(self.spent)}{of_projected}")
        # At the end the summary shows the risk, without tasks that are in progress.
        if self.at_risk and self.phase != "writing":
            parts.append(f"{mark}{_cents(self.at_risk)} at risk")
        return [*parts, *self.budgets]

    def _left(self) -> list[str]:
        if self.phase != "running" or not (self.left_reason or self.left_s):
            return []
        if self.left_s is None:
            return [self.left_reason]
        reason = f" ({self.left_reason})" if self.left_reason else ""
        return [f"{_clock(self.left_s)} left{reason}"]


class Meter:
    """Computes views from the counters of a run: rate, time left, expected cost."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._samples: deque[tuple[float, int, int]] = deque()
        self._at_start: tuple[int, int] | None = None
        self._time_left = TimeLeft(lambda: progress.wait_reasons())  # it is set later

    def view(self, now: float) -> View:
        """Return the view of this moment, in monotonic seconds."""
        progress = self._progress
        rows = progress.rows
        tried = sum(rows[status] for status in _TRIED)
        ended = tried + rows[Status.INVALID]
        pending = max(0, progress.total - ended)
        images_per_s, rows_per_s = self._pace(now, tried)
        estimate_s = pending / rows_per_s if rows_per_s > 0 and pending else None
        left_s, left_reason = self._time_left.show(
            now, estimate_s, rows=progress.total, ended=ended
        )
        return View(
            phase=progress.phase,
            total=progress.total,
            in_flight=progress.in_flight(),
            images=progress.stored_images,
            per_minute=images_per_s * 60,
            spent=progress.spent,
            at_risk=progress.at_risk,
            projected=self._projected(pending, tried),
            left_s=left_s,
            left_reason=left_reason if pending else "",
            budgets=tuple(progress.budgets()),
            budget_levels=progress.budget_levels(),
            superseded=progress.superseded,
            rehearsed=progress.rehearsed,
            rows={**rows, Status.PENDING: pending},
        )

    def _pace(self, now: float, tried: int) -> tuple[float, float]:
        """Return images and rows per second, over the last minute.

        A slow job is measured over a longer time, at least over a few rows. In the
        first seconds the rate of rows is 0: unknown.
        """
        counts = self._progress.stored_images, tried
        if not self._samples or self._samples[-1][1:] != counts:
            self._samples.append((now, *counts))
        while len(self._samples) > 1 and (
            self._samples[1][0] < now - RATE_OVER_S
            and tried - self._samples[1][2] >= RATE_OVER_ROWS
        ):
            self._samples.popleft()
        then, bought, ended = self._samples[0]
        span_s = now - then
        if span_s <= 1:
            return 0.0, 0.0
        images_per_s = (self._progress.stored_images - bought) / span_s
        rows = tried - ended
        # The first rows end at no steady pace: a time left by them would jump.
        if rows < RATE_OVER_ROWS and span_s < FIRST_ROWS_S:
            return images_per_s, 0.0
        # Between two rows the pace stays the same; it falls when a row is overdue.
        until_last_s = self._samples[-1][0] - then
        if rows and until_last_s > 0:
            span_s = max(until_last_s, span_s - until_last_s / rows)
        return images_per_s, rows / span_s

    def _projected(self, pending: int, tried: int) -> int | None:
        """Return the expected cost of the folder, at the cost per row of this run."""
        progress = self._progress
        if self._at_start is None and progress.phase == "running":
            self._at_start = progress.spent, tried
        if self._at_start is None or tried <= self._at_start[1]:
            return None
        each = (progress.spent - self._at_start[0]) // (tried - self._at_start[1])
        return progress.spent + pending * each


def _cents(nano: int) -> str:
    """Return rounded money, for progress; sums at the end are exact."""
    return f"${to_usd(nano):.2f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
