"""End an attempt that brought no images, and decide what follows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from batchgen.admission.failover import Move
from batchgen.admission.next_step import (
    Buy,
    Part,
    wait_s,
)
from batchgen.admission.provider_health import (
    buy_waived,
    record_unreachable,
    record_wait,
)
from batchgen.admission.provider_stop import attribute_error, record_useless_reply
from batchgen.admission.row_changes import RUN_WIDE_ERRORS, RowChange, fail_row
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.charges import (
    announce_raise,
    charge_budget,
    charge_of_failure,
    earlier_charge,
)
from batchgen.attempts.end_commit import (
    EndOutcome,
    end_of,
    reopen_refused,
    write_effects,
)
from batchgen.attempts.lost_uploads import without_lost_uploads
from batchgen.errors import (
    Again,
    AttemptError,
    Charge,
    Internal,
    NotConnected,
    ProviderDown,
    ProviderStopped,
    Throttled,
)
from batchgen.ledger import Charged, Ledger
from batchgen.limits import Refusal
from batchgen.model import State
from batchgen.tracebacks import drop_tracebacks, fault_message


async def fail(
    run: Run, context: AttemptContext, error: AttemptError, waived: tuple[int, ...] = ()
) -> None:
    """End an attempt that is not charged yet, and do what follows for its row.

    Args:
        run: The run.
        context: The attempt.
        error: Why it ends.
        waived: Other attempts that, as this one shows, failed through no fault of
            their rows.
    """
    drop_tracebacks(error)
    error, refusals = attribute_error(run, context, error)
    charge = charge_of_failure(run.prices.find, context, error)
    error = await without_lost_uploads(run, context, error, charge)
    if charge.charge is Charge.UNKNOWN:
        ceiling = await _end(run, context, error, charge, refusals, waived)
        run.spent(context.reservation, ceiling or 0, at_risk=True)
    else:
        raised = charge_budget(run, context, charge)
        await _end(run, context, error, charge, refusals, waived)
        await announce_raise(run, context.reservation.price_key, raised)


async def lose(
    run: Run, context: AttemptContext, error: AttemptError, charge: Charged
) -> None:
    """End an attempt that was charged and whose images are lost."""
    drop_tracebacks(error)
    await _end(run, context, error, charge)


async def _end(
    run: Run,
    context: AttemptContext,
    error: AttemptError,
    charge: Charged,
    refusals: Sequence[Refusal] = (),
    waived: tuple[int, ...] = (),
) -> int | None:
    """Write down the end; return the attempt's ceiling, as the ledger has it then.

    Another charge may have raised the ceiling in the meantime.
    """
    # Before anything is awaited: a useless provider must not get another request.
    _record_for_provider(run, context, error)
    request_id = error.request_id and run.redactor.redact_id(error.request_id)
    end = end_of(error, charge, request_id, run.time.now())
    queue, attempt_id = context.queue, context.attempt.attempt_id
    # Others may waive this attempt until the end is written.
    end = replace(end, waived=attempt_id in queue.waived)
    is_hopeless = isinstance(error, ProviderDown) and queue.breaker.is_past_patience
    rules = run.rules

    def step(ledger: Ledger) -> EndOutcome:
        if context.attempt.state is State.FAILED:
            ledger.reopen(attempt_id)  # its kept reply was read again, without use
        ledger.mark_ended(attempt_id, end)
        if is_hopeless:
            ledger.count_again(context.part.row_id)
        return write_effects(rules, ledger, context, end, refusals, waived)

    def count(outcome: EndOutcome) -> None:
        queue.waived.discard(attempt_id)
        for change in outcome.changes:
            run.record(change)

    outcome = await run.writer.commit(step, then=count)
    run.log.info(
        "attempt_ended",
        extra={
            "attempt": attempt_id,
            "error": end.error,
            "charge": end.charge.value,
            "cost_nano": end.cost,
            "uncertain_nano": end.uncertain or None,
            "state": end.state.value,
            "again": end.again.value,
            "request": end.request_id,
            "words": end.message,
        },
    )
    _queue_again(run, context.part, error, outcome)
    return outcome.ceiling


def _queue_again(
    run: Run, part: Part, error: AttemptError, outcome: EndOutcome
) -> None:
    """Queue the part at its planned provider if it is to be bought again."""
    decision, queue = outcome.decision, run.queues.get(outcome.planned or "")
    if isinstance(decision, Buy) and queue is not None:
        # A throttled request was not tried: only the provider's pace delays it.
        tries = 1 if isinstance(error, Throttled) else decision.tries
        wait = wait_s(tries, error.retry_after_s, run.rng)
        queue.retries.add(part, wait)
    elif isinstance(decision, Move):
        run.queues[decision.provider].moved_rows.append(part.row_id)
    elif error.again is Again.STOP and queue is not None and queue.stopped is None:
        queue.deferred.append(part)
    buy_waived(run, outcome.waived)


async def leave_open(run: Run, context: AttemptContext, error: ProviderStopped) -> None:
    """Leave an accepted task to a later run: without a key it cannot be polled."""
    drop_tracebacks(error)
    leave_at_risk(run, context)
    context.queue.task_error = error
    own_error, refusals = attribute_error(run, context, error)
    _record_for_provider(run, context, own_error)
    if not refusals:
        return
    job = run.job

    def step(ledger: Ledger) -> list[RowChange | None]:
        return [
            reopen_refused(job, ledger, refusal, error.kind, error.message)
            for refusal in refusals
        ]

    def count(changes: list[RowChange | None]) -> None:
        for change in changes:
            run.record(change)

    await run.writer.commit(step, then=count)


def leave_at_risk(run: Run, context: AttemptContext) -> None:
    """Turn the reservation of a task that stays open into money at risk."""
    ceiling = run.budget.ceiling(context.reservation.price_key) or 0
    risk = 0 if earlier_charge(context.attempt) else ceiling * context.part.images
    run.spent(context.reservation, risk, at_risk=True)
    run.wake()


def _record_for_provider(
    run: Run, context: AttemptContext, error: AttemptError
) -> None:
    """Record what an error means for the whole provider; redact its message."""
    error.message = run.redactor.redact(error.message)
    queue = context.queue
    if error.retry_after_s:
        record_wait(run.progress, queue, error.retry_after_s, error.message)
    if isinstance(error, NotConnected):
        record_unreachable(run.progress, queue, error)
    else:
        queue.was_reached = True
    record_useless_reply(run, context, error)


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
