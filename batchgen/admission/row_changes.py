"""How a row ends: it is written down first, and counted after that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchgen.admission.next_step import RowEnd
from batchgen.errors import BudgetReached, Charge, Internal, SpecError, StorageError
from batchgen.model import Job, Status
from batchgen.tracebacks import fault_message

if TYPE_CHECKING:
    from batchgen.admission.provider_queue import ProviderQueue
    from batchgen.admission.run_context import Run
    from batchgen.ledger import Ledger, Reader

RUN_WIDE_ERRORS = (StorageError, SpecError, BudgetReached)
"""What is raised on purpose, and is about the whole run."""

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


def change_row(ledger: Ledger, job: Job, row_id: int, end: RowEnd) -> RowChange:
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


async def end_row(run: Run, row_id: int, end: RowEnd) -> None:
    """End a row for which nothing is bought now, unless another part came first."""

    def step(ledger: Ledger) -> RowChange | None:
        if ledger.status(row_id) is not Status.PENDING:
            return None
        return change_row(ledger, run.job, row_id, end)

    def count(change: RowChange | None) -> None:
        if change is not None:
            run.progress.count_status(change.now, change.was, change.rows)

    await run.writer.commit(step, then=count)


async def fail_row(run: Run, row_id: int, error: Internal) -> None:
    """Let a row that waits or is held end as failed; no attempt of it changes."""
    end = RowEnd(Status.FAILED, error.kind, run.redactor.redact(error.message))

    def step(ledger: Ledger) -> RowChange | None:
        is_open = ledger.status(row_id) in (Status.PENDING, Status.HELD)
        if not is_open or not ledger.is_planned(row_id):
            return None
        return change_row(ledger, run.job, row_id, end)

    await run.writer.commit(step, then=run.record)


async def fail_by_fault(
    run: Run, queue: ProviderQueue, row_id: int, fault: Exception
) -> None:
    """End a row by an unexpected fault before anything of it was sent."""
    await fail_row(run, row_id, Internal(queue.name, fault_message(fault), Charge.NONE))
