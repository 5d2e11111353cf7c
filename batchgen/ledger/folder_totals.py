"""The money of a run folder, its rows by status, and its images."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.model import Status

REHEARSAL = "rehearsal"
"""The kind of run against the built-in sandbox; all others cost real money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The money of a whole run folder in nano-dollars.

    Attributes:
        spent: Sum of the table's costs.
        superseded: Paid for rows, or versions of rows, that left the manifest.
        at_risk: Price of attempts with an unknown outcome, also for rows that left the
            manifest, and the amounts that others may have cost beyond `spent`.
        at_risk_attempts: Attempts with an unknown outcome.
        unpriced: Attempts that cost an unknown amount.
        unpriced_risk: Attempts at risk that have no price.
        accepted: Attempts at risk whose task the provider accepted and still works on.
        overdue: Attempts at risk whose task is late; later runs poll it again.
        tasks_at_risk: Price of both, which is part of `at_risk`.
        unpriced_tasks: Attempts among both that have no price.
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
        """Attempts at risk that have no task to poll."""
        return self.at_risk_attempts - self.accepted - self.overdue

    @property
    def unknown_at_risk(self) -> int:
        """The money at risk without tasks."""
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
