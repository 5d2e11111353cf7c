"""The money of a run folder, its rows by status, and its images."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.ledger.mode import REHEARSAL
from batchgen.model import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The money of a whole run folder in nano-dollars.

    Attributes:
        spent: Sum of the table's costs.
        superseded: Paid for rows, or versions of rows, that the manifest lost.
        at_risk: Price of attempts whose outcome is unknown, retired ones included, and
            what others may have cost beyond what is spent for certain.
        at_risk_attempts: Attempts whose outcome is unknown.
        unpriced: Attempts that cost an unknown amount.
        unpriced_risk: Attempts at risk that have no price.
        accepted: Attempts at risk whose task the provider accepted: it is being made.
        overdue: Attempts at risk whose task did not come; later runs ask for it again.
        tasks_at_risk: Price of both, which is part of `at_risk`.
        unpriced_tasks: Such attempts that have no price.
    """

    spent: int
    superseded: int
    at_risk: int
    at_risk_attempts: int
    unpriced: int
    unpriced_risk: int
    accepted: int = 0
    overdue: int = 0
    tasks_at_risk: int = 0
    unpriced_tasks: int = 0

    @property
    def unknown_attempts(self) -> int:
        """Attempts at risk that no later run can ask for."""
        return self.at_risk_attempts - self.accepted - self.overdue

    @property
    def unknown_at_risk(self) -> int:
        """What is at risk beside tasks."""
        return self.at_risk - self.tasks_at_risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(Money):
    """The money of a whole run folder, its rows by status, and its images.

    Attributes:
        mode: What kind of run it is: `real`, `loopback` or `rehearsal`; None where
            nothing was begun yet.
    """

    rows: dict[Status, int]
    images: int
    mode: str | None = None

    @property
    def rehearsed(self) -> bool:
        """Whether the money is a rehearsal's: then none was spent."""
        return self.mode == REHEARSAL
