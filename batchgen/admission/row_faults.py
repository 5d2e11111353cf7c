"""What an unexpected fault does to a row: it ends that row alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchgen.admission.next_step import Settled
from batchgen.admission.row_changes import RowChange, change_row
from batchgen.errors import BudgetReached, Charge, Internal, SpecError, StorageError
from batchgen.model import Status
from batchgen.tracebacks import fault_message

if TYPE_CHECKING:
    from batchgen.admission.provider_queue import ProviderQueue
    from batchgen.admission.run_context import Run
    from batchgen.ledger import Ledger

RUN_WIDE_ERRORS = (StorageError, SpecError, BudgetReached)
"""What is raised on purpose, and is about the whole run."""


async def fail_row(run: Run, row_id: int, error: Internal) -> None:
    """Let a row that waits or is held end as failed; no attempt of it changes."""
    end = Settled(Status.FAILED, error.kind, run.redactor.redact(error.message))

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
