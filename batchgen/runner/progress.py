"""What a run has done so far, for displays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from batchgen.budget import Scope
from batchgen.model import Status


@dataclass(frozen=True, slots=True)
class Stop:
    """An orderly stop that was requested from outside.

    Attributes:
        reason: Such as a signal's name.
        requests: Purchases that were sent and have no reply yet.
        grace_s: For how long the run waits for these replies.
        tasks: Accepted tasks, which are left to the next run.
    """

    reason: str
    requests: int
    grace_s: float
    tasks: int = 0


@dataclass(slots=True)
class Progress:
    """Counters of one run; the runner writes them, a display reads them.

    Attributes:
        total: Rows in scope; grows while the manifest is being read.
        planned: Whether the manifest is read to its end.
        rows: Rows in scope by status, those of earlier runs included.
        stored_images: Images that this run stored.
        spent: Nano-dollars of the whole folder, and so is `at_risk`.
        in_flight: Returns the number of purchases between SENT and DELIVERED.
        superseded: The part of `spent` for rows that the manifest no longer has.
        rehearsed: Whether the run is a rehearsal, which spends no real money.
        budgets: Returns a text for each budget of the day and of a column's values.
        stop: Set before the phase is `stopping`.
        budget_levels: Returns the same as data: scope, limit, and amount counted.
        wait_reasons: Returns what the run waits for now, in words that follow `left`.
        outages: Returns for each provider that does not answer for how many seconds.
        notice: Called with a sentence that the user should read now.
    """

    total: int = 0
    planned: bool = False
    rows: Counter[Status] = field(default_factory=Counter)
    stored_images: int = 0
    spent: int = 0
    superseded: int = 0
    at_risk: int = 0
    rehearsed: bool = False
    phase: str = "starting"
    in_flight: Callable[[], int] = lambda: 0
    budgets: Callable[[], list[str]] = list
    budget_levels: Callable[[], list[tuple[Scope, int, int]]] = list
    wait_reasons: Callable[[], list[str]] = list
    outages: Callable[[], dict[str, float]] = dict
    shown_once: set[str] = field(default_factory=set)
    stored_bytes: int = 0
    stop: Stop | None = None
    notice: Callable[[str], None] = lambda _: None

    def notify_once(self, text: str) -> None:
        """Show the user a notice, but only the first time."""
        if text not in self.shown_once:
            self.shown_once.add(text)
            self.notice(text)

    def settle(
        self, status: Status, was: Status = Status.PENDING, rows: int = 1
    ) -> None:
        """Count a row's new status, and that of rows that share its purchase."""
        self.rows[status] += rows
        self.rows[was] -= rows
