"""Outages: a provider fails for all rows, so rows wait and few requests are risked."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass


class Outage:
    """Decides from consecutive failures whether all rows fail alike.

    When one row fails again and again, the row is at fault. When several rows fail and
    none succeeds between them, it is an outage. A row that kept failing while others
    succeeded does not count for that.
    """

    TRIP = 5
    ROWS = 2
    SUSPECT = 3
    """A row is suspect that failed again after so many successes of other rows."""
    MAX_ROWS = 1000  # that are remembered
    PATIENCE_S = 3 * 3600.0
    """After this long a failure counts against its row again: otherwise a few rows that
    can never succeed would look like an outage without end. Probes take turns among the
    rows, so that none of many rows is tried often by then [assumed]."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.patience_s = self.PATIENCE_S
        self._streak = 0
        self._rows: set[Hashable] = set()
        self._outlived: dict[Hashable, int] = {}  # successes since a row failed
        self._began = 0.0

    def record_failure(self, row: Hashable | None) -> None:
        """Record a failure of a row or a task; None where it is about neither."""
        if self._streak == 0:
            self._began = self._clock()
        self._streak += 1
        is_suspect = self._outlived.get(row, 0) >= self.SUSPECT
        if not is_suspect and len(self._rows) < self.MAX_ROWS:
            self._rows.add(row)

    def record_success(self) -> None:
        """Record a success: the outage, if it was one, is over."""
        self._streak = 0
        for row in self._rows - {None}:
            # Taken out first, so that the oldest are forgotten first.
            self._outlived[row] = self._outlived.pop(row, 0) + 1
            if len(self._outlived) > self.MAX_ROWS:
                del self._outlived[next(iter(self._outlived))]
        self._rows.clear()

    @property
    def has_just_failed(self) -> bool:
        """Whether the last one failed."""
        return self._streak > 0

    @property
    def is_on(self) -> bool:
        """Whether it failed too often in a row."""
        return self._streak >= self.TRIP

    @property
    def age_s(self) -> float:
        """Seconds since the first failure in the row; 0 without one."""
        return self._clock() - self._began if self._streak else 0.0

    @property
    def waives_failures(self) -> bool:
        """Whether a failure now says nothing about the row that failed."""
        several = len(self._rows) >= self.ROWS
        return self.is_on and several and self.age_s <= self.patience_s

    @property
    def rows(self) -> int:
        """How many different rows failed in a row, as far as they are remembered."""
        return len(self._rows - {None})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a purchase that the provider did not answer.

    Attributes:
        pause_s: For how long nothing should leave; None if that did not change.
        waived: Attempts that failed because the provider failed for all rows.
        opened: Whether the breaker was closed before.
    """

    pause_s: float | None
    waived: tuple[int, ...]
    opened: bool


class CircuitBreaker:
    """Circuit breaker: rows wait while their provider fails.

    It opens after a few purchases in a row that brought no answer of the provider's
    own: no connection, a 5xx, a gateway's page, silence; or after one, if a probe
    that buys nothing brings none either. Then one purchase at a time tries whether it
    is back, after pauses that grow with the outage.

    Only a purchase that succeeds closes it, and only one that left after the last that
    was lost. An answer to a probe, or a refusal, may come from a gateway in front of a
    dead service.

    Attributes:
        is_open: Whether only a probe may leave.
        probing: The purchase that is sent as a probe.
    """

    TRIP = Outage.TRIP
    FIRST_S, LONGEST_S = 1.0, 60.0
    SHARE, MAX_S = 0.1, 600.0
    """Pauses double up to `LONGEST_S`; beyond that they are this share of the outage so
    far: two hours cost some forty probes, and at most a tenth more time."""

    RISK_S = 60.0
    """Shortest wait after a loss before a row is sent that would be held if it were
    lost, too. It doubles with each that is, up to `MAX_S` [assumed]."""

    PATIENCE_PER_ROW_S = 60.0
    """For each row that waits, where probes are answered: two rows that always fail
    end in minutes, and hundreds are patient for `Outage.PATIENCE_S` [assumed]."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._outage = Outage(clock)
        self._lost: list[int] = []
        self._pauses = 0
        self._lost_at = self._lost_sent_at = -float("inf")
        self._risks = 0
        self._rows_s = Outage.PATIENCE_S
        self._answers_probes = False
        self.is_open = False
        self.probing: object | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether no purchase succeeded since the last one without an answer."""
        return self._outage.has_just_failed

    @property
    def has_lost_several(self) -> bool:
        """Whether different rows were lost: then it is not about one of them."""
        return self._outage.rows >= Outage.ROWS

    @property
    def is_past_patience(self) -> bool:
        """Whether it failed for so long that failures are the rows' own again."""
        return self._outage.age_s > self._outage.patience_s

    @property
    def age_s(self) -> float:
        """Seconds since the first purchase without an answer; 0 without one."""
        return self._outage.age_s

    def risk_left_s(self) -> float:
        """Return seconds until a row may be sent that has its last loss at stake."""
        wait_s = min(self.RISK_S * float(2 ** min(self._risks, 10)), self.MAX_S)
        return max(0.0, self._lost_at + wait_s - self._clock())

    @property
    def may_be_the_rows(self) -> bool:
        """Whether it lasts so long that the few remaining rows may be to blame."""
        return self._outage.age_s > self._rows_s

    def be_patient_for(self, rows: int | None) -> None:
        """Set how long failures do not count against rows, by how many rows wait.

        Args:
            rows: How many; None for many.
        """
        longest_s = Outage.PATIENCE_S
        patience_s = longest_s if rows is None else rows * self.PATIENCE_PER_ROW_S
        self._rows_s = min(longest_s, patience_s)
        self._outage.patience_s = self._rows_s if self._answers_probes else longest_s

    def record_probe_answer(self) -> None:
        """Record that a probe, which buys nothing, was answered."""
        self._answers_probes = True
        self._outage.patience_s = self._rows_s

    def open(self) -> bool:
        """Let only probes leave, before as many were lost as usual; True if it did."""
        was_open = self.is_open
        self.is_open, self._pauses = True, max(self._pauses, 1)
        return not was_open

    def record_loss(
        self,
        row_id: int,
        attempt_id: int | None,
        sent_at: float,
        *,
        is_probe: bool = False,
    ) -> Verdict:
        """Record a purchase without an answer.

        Args:
            row_id: Whose it was.
            attempt_id: Which it was; None for one that cannot be waived.
            sent_at: When it left, in seconds of the clock.
            is_probe: Whether it left because the breaker was open.
        """
        if attempt_id is not None:
            self._lost.append(attempt_id)
        elif is_probe and self.RISK_S <= sent_at - self._lost_at < float("inf"):
            # Only where it waited for that: a row that may be lost again is sent early.
            self._risks += 1
        self._lost_at = self._clock()
        self._lost_sent_at = max(self._lost_sent_at, sent_at)
        del self._lost[: -self.TRIP]  # of one row alone, or of an endless outage
        return self._failed(row_id, is_probe=is_probe)

    def record_silence(self) -> Verdict:
        """Record a probe without an answer."""
        self._answers_probes = False
        self._outage.patience_s = Outage.PATIENCE_S
        return self._failed(None, is_probe=True)

    def _failed(self, row_id: int | None, *, is_probe: bool) -> Verdict:
        self._outage.record_failure(row_id)
        waived: tuple[int, ...] = ()
        if self._outage.waives_failures:
            waived = tuple(self._lost)
            self._lost.clear()
        was_open = self.is_open
        pause_s = self._pause_s(is_probe=is_probe)
        return Verdict(pause_s, waived, opened=self.is_open and not was_open)

    def _pause_s(self, *, is_probe: bool) -> float | None:
        if is_probe:
            self.probing = None
        elif self.is_open or not self._outage.is_on:
            return None  # it left before the others were lost, or these are too few
        doubled = min(self.FIRST_S * float(2**self._pauses), self.LONGEST_S)
        self.is_open, self._pauses = True, min(self._pauses + 1, 10)
        return max(doubled, min(self.SHARE * self._outage.age_s, self.MAX_S))

    def record_answer(self, *, is_probe: bool) -> float | None:
        """Record an answer that is no success: the service is there.

        Returns:
            Seconds for which nothing should leave; None where that did not change.
        """
        if not is_probe:
            return None
        self.probing = None
        if not self.is_open:
            return None
        self._pauses = 1
        return self.FIRST_S

    def record_success(self, sent_at: float) -> bool:
        """Record a purchase that was accepted; True if that closed the breaker.

        Args:
            sent_at: When it was sent. A purchase from before the outage proves nothing.
        """
        if sent_at < self._lost_sent_at:
            return False
        was_open = self.is_open
        self._outage.record_success()
        self._lost.clear()
        self._pauses = self._risks = 0
        self.is_open = self._answers_probes = False
        self.probing = None
        return was_open
