"""A fence around the work of each row: an unexpected fault ends only that row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from batchgen.admission.provider_stop import record_useless_reply
from batchgen.admission.row_faults import RUN_WIDE_ERRORS, fail_row
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.finish import fail, leave_at_risk
from batchgen.errors import (
    Charge,
    Internal,
)
from batchgen.model import State
from batchgen.tracebacks import drop_tracebacks, fault_message


@asynccontextmanager
async def fenced(
    run: Run, context: AttemptContext, was_sent: Callable[[], bool] = lambda: True
) -> AsyncIterator[None]:
    """End the row of an attempt at any unexpected fault within, and go on.

    Its money is counted, and nothing paid is given up: the next run polls accepted
    tasks and downloads delivered links.

    Args:
        run: The run.
        context: The attempt.
        was_sent: Says whether its request may have left.

    Raises:
        StorageError, SpecError, BudgetReached: from within; they concern all rows.
    """
    try:
        yield
    except RUN_WIDE_ERRORS:
        raise
    except Exception as fault:
        extra = {"attempt": context.attempt.attempt_id}
        run.log.exception("row_fault", extra=extra)
        drop_tracebacks(fault)
        charge = Charge.UNKNOWN if was_sent() else Charge.NONE
        await _end(
            run, context, Internal(context.queue.name, fault_message(fault), charge)
        )


async def _end(run: Run, context: AttemptContext, error: Internal) -> None:
    context.free_slot()
    state = run.ledger.attempt(context.attempt.attempt_id).state
    if state is State.SENT:
        await fail(run, context, error)
        return
    if state in (State.ACCEPTED, State.OVERDUE) and not context.reservation.is_settled:
        leave_at_risk(run, context)
    record_useless_reply(run, context, error)
    if state in (State.ACCEPTED, State.OVERDUE, State.DELIVERED):
        await fail_row(run, context.part.row_id, error)
    run.wake()
