"""A fence around the work of each row: an unexpected fault ends only that row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from batchgen.admission.provider_stop import record_useless_reply
from batchgen.admission.row_faults import RUN_WIDE_ERRORS, fail_row
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.finish import fail, leave_at_risk
from batchgen.errors import Charge, Internal
from batchgen.model import State
from batchgen.tracebacks import drop_tracebacks, fault_message


@asynccontextmanager
async def fenced(run: Run, context: AttemptContext) -> AsyncIterator[None]:
    """End the row of an attempt at any unexpected fault within, and go on.

    Its money is counted, and nothing paid is given up: the next run polls accepted
    tasks and downloads delivered links.

    Raises:
        StorageError, SpecError, BudgetReached: from within; they concern all rows.
    """
    try:
        yield
    except RUN_WIDE_ERRORS:
        raise
    except Exception as fault:  # noqa: BLE001 - it ends this row alone
        await end_by_fault(run, context, fault)


async def end_by_fault(
    run: Run,
    context: AttemptContext,
    fault: Exception,
    charge: Charge = Charge.UNKNOWN,
) -> None:
    """End the row of an attempt by an unexpected fault.

    Args:
        run: The run.
        context: The attempt.
        fault: Of batchgen, or of the row's own content.
        charge: What its request may have cost, if the ledger knows of no answer yet.
    """
    attempt_id = context.attempt.attempt_id
    run.log.error("row_fault", exc_info=fault, extra={"attempt": attempt_id})
    drop_tracebacks(fault)
    error = Internal(context.queue.name, fault_message(fault), charge)
    context.free_slot()
    state = run.ledger.attempt(attempt_id).state
    if state is State.SENT:
        await fail(run, context, error)
        return
    if state in (State.ACCEPTED, State.OVERDUE) and not context.reservation.is_settled:
        leave_at_risk(run, context)
    record_useless_reply(run, context, error)
    if state in (State.ACCEPTED, State.OVERDUE, State.DELIVERED):
        await fail_row(run, context.part.row_id, error)
    run.wake()
