"""How a row ends: it is written down first, and counted after that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchgen.model import Job, Status

if TYPE_CHECKING:
    from batchgen.admission.next_step import Settled
    from batchgen.admission.run_context import Run
    from batchgen.ledger import Ledger, Reader

OWN_FAULTS = frozenset(
    {
        "generation_failed",
        "image_rejected",
        "internal",
        "link_lost",
        "no_image",
        "refused",
        "reply_malformed",
        "request_invalid",
    }
)
"""Errors by which a row that was bought ends for its own sake. A reference that cannot
be used is none: nothing was bought, and such rows end sooner than those that are."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row got another status.

    Attributes:
        error: The kind of the error by which it ended.
        rows: It, and those that share its purchase.
    """

    was: Status
    now: Status
    error: str | None = None
    rows: int = 1

    @property
    def is_own_fault(self) -> bool:
        """Whether the row failed for its own sake."""
        return self.now is not Status.PENDING and self.error in OWN_FAULTS


def change_row(ledger: Ledger, job: Job, row_id: int, end: Settled) -> RowChange:
    """Write down how a row stands now: part of a commit, after which it is counted."""
    was = ledger.status(row_id)
    ledger.settle(row_id, end.status, end.error, end.message)
    # Most rows only wait on.
    rows = 1 if was is end.status else rows_of(job, ledger, row_id)
    return RowChange(was, end.status, end.error, rows)


def rows_of(job: Job, ledger: Reader, row_id: int) -> int:
    """Return how many rows in scope a purchase is for."""
    if not job.dedupe:
        return 1
    return 1 + ledger.count_sharing_rows(row_id, job.rows_in_scope)


async def end_row(run: Run, row_id: int, end: Settled) -> None:
    """End a row for which nothing is bought now, unless another part came first."""

    def step(ledger: Ledger) -> RowChange | None:
        if ledger.status(row_id) is not Status.PENDING:
            return None
        return change_row(ledger, run.job, row_id, end)

    def count(change: RowChange | None) -> None:
        if change is not None:
            run.progress.settle(change.now, change.was, change.rows)

    await run.writer.commit(step, then=count)
