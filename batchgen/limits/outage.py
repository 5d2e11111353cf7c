"""An outage: somebody fails for everybody, so rows wait and little is risked."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass


class Outage:
    """Tells from failures in a row whether somebody fails for everybody.

    One row that fails again and again is that row's trouble; several rows that fail
    with no success between them are not. Nor do rows make an outage that kept failing
    while others succeeded.
    """

    TRIP = 5
    ROWS = 2
    SUSPECT = 3
    """So many times others succeeded since it began to fail, and it failed again."""
    MOST = 1000  # rows that are remembered
    PATIENCE_S = 3 * 3600.0
    """After this long, failures are the rows' own again: a few rows that can never
    succeed would look like an outage without end. Probes go round, so that of many
    rows none is tried often by then [assumed]."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._streak = 0
        self._rows: set[Hashable] = set()
        self._outlived: dict[Hashable, int] = {}  # successes since a row failed
        self._began = 0.0

    def failed(self, whose: Hashable | None) -> None:
        """Take note of a failure, and of whose it was: a row's, a task's, nobody's."""
        if self._streak == 0:
            self._began = self._clock()
        self._streak += 1
        is_suspect = self._outlived.get(whose, 0) >= self.SUSPECT
        if not is_suspect and len(self._rows) < self.MOST:
            self._rows.add(whose)

    def worked(self) -> None:
        """Take note of a success: whatever it was is over."""
        self._streak = 0
        for it in self._rows - {None}:
            # Taken out first, so that the oldest are forgotten first.
            self._outlived[it] = self._outlived.pop(it, 0) + 1
            if len(self._outlived) > self.MOST:
                del self._outlived[next(iter(self._outlived))]
        self._rows.clear()

    @property
    def is_feared(self) -> bool:
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
    def excuses(self) -> bool:
        """Whether a failure now says nothing of the row that it happened to."""
        several = len(self._rows) >= self.ROWS
        return self.is_on and several and self.age_s <= self.PATIENCE_S


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one purchase that the provider did not answer.

    Attributes:
        pause_s: For how long nothing should leave; None if that did not change.
        excused: Attempts that failed because the provider failed for everybody.
        opened: Whether the breaker was closed before.
    """

    pause_s: float | None
    excused: tuple[int, ...]
    opened: bool


class Breaker:
    """Lets rows wait while a provider fails, instead of using them up.

    It opens after a few purchases in a row that brought no answer of the provider's
    own: no connection, a 5xx, a gateway's page, silence; or after one, if a question
    that buys nothing brings none either. Then one purchase at a time tries whether it
    is back, after pauses that grow with the outage.
    """

    TRIP = Outage.TRIP
    FIRST_S, LONGEST_S = 1.0, 60.0
    SHARE, MOST_S = 0.1, 600.0
    """Pauses double up to `LONGEST_S`; beyond that they are this share of the outage so
    far: two hours cost some forty probes, and at most a tenth more time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._outage = Outage(clock)
        self._lost: list[int] = []
        self._pauses = 0
        self.probing = False

    @property
    def is_open(self) -> bool:
        """Whether only a probe may leave."""
        return self._pauses > 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last purchase brought no answer."""
        return self._outage.is_feared

    @property
    def is_past_patience(self) -> bool:
        """Whether it failed for so long that failures are the rows' own again."""
        return self._outage.age_s > Outage.PATIENCE_S

    def lost(
        self, row_id: int, attempt_id: int | None, *, is_probe: bool = False
    ) -> Verdict:
        """Take note of a purchase without an answer.

        Args:
            row_id: Whose it was.
            attempt_id: Which it was; None for one that cannot be excused.
            is_probe: Whether it left because the breaker was open.
        """
        if attempt_id is not None:
            self._lost.append(attempt_id)
        del self._lost[: -self.TRIP]  # of one row alone, or of an endless outage
        return self._failed(row_id, is_probe=is_probe)

    def silent(self) -> Verdict:
        """Take note that a question which buys nothing was not answered either."""
        return self._failed(None, is_probe=True)

    def _failed(self, row_id: int | None, *, is_probe: bool) -> Verdict:
        self._outage.failed(row_id)
        excused: tuple[int, ...] = ()
        if self._outage.excuses:
            excused = tuple(self._lost)
            self._lost.clear()
        was_open = self.is_open
        pause_s = self._pause_s(is_probe=is_probe)
        return Verdict(pause_s, excused, opened=self.is_open and not was_open)

    def _pause_s(self, *, is_probe: bool) -> float | None:
        if is_probe:
            self.probing = False
        elif self.is_open or not self._outage.is_on:
            return None  # it left before the others were lost, or these are too few
        doubled = min(self.FIRST_S * float(2**self._pauses), self.LONGEST_S)
        self._pauses = min(self._pauses + 1, 10)
        return max(doubled, min(self.SHARE * self._outage.age_s, self.MOST_S))

    def answered(self) -> bool:
        """Take note of an answer, whatever it says; True if that closed the breaker."""
        was_open = self.is_open
        self._outage.worked()
        self._lost.clear()
        self._pauses = 0
        self.probing = False
        return was_open
