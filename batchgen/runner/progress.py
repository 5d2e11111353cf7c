"""What a run has done so far, for whoever shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from batchgen.budget import Scope
from batchgen.model import Status


@dataclass(frozen=True, slots=True)
class Stop:
    """An orderly stop that was asked for from outside.

    Attributes:
        reason: As whoever asked for it named it, such as a signal's name.
        requests: Purchases that were sent and have no answer yet.
        grace_s: For how long they are waited for.
        tasks: Accepted tasks, which are left to the next run.
    """

    reason: str
    requests: int
    grace_s: float
    tasks: int = 0


@dataclass(slots=True)
class Progress:
    """Counters of one run; the runner writes them, a face reads them.

    Attributes:
        total: Rows in scope; grows while the manifest is being read.
        planned: Whether the manifest is read to its end.
        rows: Rows in scope by status, those of earlier runs included.
        bought: Images that this run stored.
        spent: Nano-dollars of the whole folder, and so is `at_risk`.
        in_flight: Tells how many purchases are between SENT and DELIVERED.
        superseded: What of `spent` was paid for rows that the manifest no longer holds.
        rehearsed: Whether all money is a rehearsal's: then none is spent.
        budgets: Says how the budgets of the day and of a column's values stand.
        stop: Set before the phase is `stopping`.
        budget_levels: Tells the same as data: scope, limit, and what counts for it.
        wait_reasons: Tells what it waits for now, in words that follow `left`.
        notice: Called with a sentence that the user should read now.
    """

    total: int = 0
    planned: bool = False
    rows: Counter[Status] = field(default_factory=Counter)
    bought: int = 0
    spent: int = 0
    superseded: int = 0
    at_risk: int = 0
    rehearsed: bool = False
    phase: str = "starting"
    in_flight: Callable[[], int] = lambda: 0
    budgets: Callable[[], list[str]] = list
    budget_levels: Callable[[], list[tuple[Scope, int, int]]] = list
    wait_reasons: Callable[[], list[str]] = list
    shown_once: set[str] = field(default_factory=set)
    stored_bytes: int = 0
    stop: Stop | None = None
    notice: Callable[[str], None] = lambda _: None

    def notify_once(self, text: str) -> None:
        """Tell the user something that would otherwise be said a thousand times."""
        if text not in self.shown_once:
            self.shown_once.add(text)
            self.notice(text)

    def settle(
        self, status: Status, was: Status = Status.PENDING, rows: int = 1
    ) -> None:
        """Count a row that came to its end, and those that share its purchase."""
        self.rows[status] += rows
        self.rows[was] -= rows
