"""End an attempt that brought no images, and decide what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from batchgen.admission.failover import Moved, next_candidate
from batchgen.admission.next_step import (
    Buy,
    Decision,
    Leave,
    Settled,
    decide,
    history_of,
    others_hold,
    wait_s,
)
from batchgen.admission.provider_health import (
    BoughtAgain,
    buy_waived,
    record_unreachable,
    record_wait,
    waive,
)
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.provider_stop import Judged, judge, record_useless_reply
from batchgen.admission.row_changes import RowChange, change_row
from batchgen.admission.run_context import AttemptContext, RowRules, Run
from batchgen.attempts.attempt_log import log_ended
from batchgen.attempts.charges import (
    ChargedAs,
    billed,
    charge_of_failure,
    spend,
    tell_raised,
)
from batchgen.attempts.lost_uploads import without_lost_uploads
from batchgen.errors import (
    Again,
    AttemptError,
    Charge,
    NotConnected,
    OutcomeUnknown,
    ProviderDown,
    ProviderStopped,
    TaskLost,
    TaskOverdue,
    Throttled,
)
from batchgen.ledger import AttemptEnd, Ledger
from batchgen.limits import Refusal
from batchgen.model import Job, State, Status
from batchgen.tracebacks import drop_tracebacks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What the commit of an end has written down, and what follows from that.

    Attributes:
        decision: What follows for the row.
        planned: By whom the row is made now.
        changes: Of this row, and of others that were refused as it was.
        ceiling: The attempt's, as the ledger has it by then.
        waived: What is to be bought again since it failed with others.
    """

    decision: Decision | Moved
    planned: str | None
    changes: Sequence[RowChange]
    ceiling: int | None
    waived: Sequence[BoughtAgain]


async def fail(
    run: Run, context: AttemptContext, error: AttemptError, waived: tuple[int, ...] = ()
) -> None:
    """End an attempt that is not charged yet, and do what follows for its row.

    Args:
        run: The run.
        context: The attempt.
        error: Why it ends.
        waived: Attempts that, as this one told, failed by no fault of their rows.
    """
    drop_tracebacks(error)
    judged = judge(run, context, error)
    charge = charge_of_failure(run.prices.find, context, judged.error)
    error = await without_lost_uploads(run, context, judged.error, charge)
    judged = replace(judged, error=error)
    if charge[0] is Charge.UNKNOWN:
        ceiling = await _end(run, context, judged, charge, waived)
        run.spent(context.reservation, ceiling or 0, at_risk=True)
    else:
        raised = spend(run, context, charge)
        await _end(run, context, judged, charge, waived)
        await tell_raised(run, context, raised)


async def lose(
    run: Run, context: AttemptContext, error: AttemptError, charge: ChargedAs
) -> None:
    """End an attempt that was charged, and whose images cannot be had."""
    drop_tracebacks(error)
    await _end(run, context, Judged(error), charge)


async def _end(
    run: Run,
    context: AttemptContext,
    judged: Judged,
    charge: ChargedAs,
    waived: tuple[int, ...] = (),
) -> int | None:
    """Write down the end; return the attempt's ceiling, as the ledger has it by then.

    Another charge may have raised it meanwhile, or will do so in the next commit.
    """
    # Before anything is awaited: nothing more may leave where all is useless.
    error = judged.error
    _heed(run, context, error)
    end = AttemptEnd(
        state=_state(error),
        charge=charge[0],
        cost=charge[1],
        uncertain=charge.uncertain,
        again=error.again,
        counts=error.counts,
        error=error.kind,
        message=error.message,
        request_id=error.request_id and run.redactor.redact_id(error.request_id),
        ended_at=run.time.now(),
    )
    queue, attempt_id = context.queue, context.attempt.attempt_id
    # Until this is written others may still excuse it; afterwards they find it ended.
    end = replace(end, waived=attempt_id in queue.waived)
    is_hopeless = isinstance(error, ProviderDown) and queue.breaker.is_past_patience

    rules = run.rules

    def step(ledger: Ledger) -> _Ended:
        if context.attempt.state is State.FAILED:
            ledger.reopen(attempt_id)  # its kept reply was read anew, and is of no use
        ledger.mark_ended(attempt_id, end)
        if is_hopeless:
            ledger.count_again(context.part.row_id)
        return _write_end(rules, ledger, context, end, judged, waived)

    ended = await run.writer.commit(
        step, then=lambda ended: _count(run, context, ended)
    )
    log_ended(run.log, context, end)
    _queue_again(run, context, error, ended)
    return ended.ceiling


def _count(run: Run, context: AttemptContext, ended: _Ended) -> None:
    """Count what an end has changed; it is on disk."""
    context.queue.waived.discard(context.attempt.attempt_id)
    for change in ended.changes:
        run.record(change)


def _queue_again(
    run: Run, context: AttemptContext, error: AttemptError, ended: _Ended
) -> None:
    """Let what is to be bought wait at the provider that makes it now."""
    decision, queue = ended.decision, run.queues.get(ended.planned or "")
    if isinstance(decision, Buy) and queue is not None:
        # What was throttled was not tried: its provider's pace is what is waited for.
        tries = 1 if isinstance(error, Throttled) else decision.tries
        wait = wait_s(tries, error.retry_after_s, run.rng)
        queue.retries.add(context.part, wait)
    elif isinstance(decision, Moved):
        run.queues[decision.provider].moved_rows.append(context.part.row_id)
    elif error.again is Again.STOP and queue is not None and queue.stopped is None:
        queue.deferred.append(context.part)
    buy_waived(run, ended.waived)


def _write_end(
    rules: RowRules,
    ledger: Ledger,
    context: AttemptContext,
    end: AttemptEnd,
    judged: Judged,
    waived: tuple[int, ...],
) -> _Ended:
    returned = [
        _return(rules.job, ledger, refusal, judged.error) for refusal in judged.returned
    ]
    decision, planned, change = _settle(rules, ledger, context, end)
    return _Ended(
        decision=decision,
        planned=planned,
        changes=[each for each in (*returned, change) if each is not None],
        ceiling=ledger.attempt(context.attempt.attempt_id).ceiling,
        waived=waive(rules, ledger, waived),
    )


def _settle(
    rules: RowRules, ledger: Ledger, context: AttemptContext, end: AttemptEnd
) -> tuple[Decision | Moved, str | None, RowChange | None]:
    """Return what follows for the row, by whom it is made now, and what changed."""
    row = ledger.row(context.part.row_id)
    may_go_on = row.status in (Status.PENDING, Status.HELD)
    planned = ledger.planned_provider(row.row_id)
    if not may_go_on or planned is None:
        return Leave(), planned, None
    attempts = ledger.attempts_of(row.row_id)
    history = history_of(attempts, context.part, row.tries_from)
    decision: Decision | Moved = decide(history, rules.policy, planned)
    is_held = row.status is Status.HELD and others_hold(
        attempts, context.part, rules.policy, row
    )
    if is_held and not isinstance(decision, Settled):
        return Leave(), planned, None  # a person decides, for all its parts
    if not is_held and _may_go_elsewhere(rules.queues, decision, planned, end):
        way = next_candidate(rules, ledger, row.row_id, history)
        if way is not None:
            ledger.move(row.row_id, way)
            decision, planned = Moved(way.provider), way.provider
    waits = Settled(Status.PENDING, end.error, end.message)
    stands = decision if isinstance(decision, Settled) else waits
    return decision, planned, change_row(ledger, rules.job, row.row_id, stands)


def _return(
    job: Job, ledger: Ledger, refusal: Refusal, error: AttemptError
) -> RowChange | None:
    """Let a row wait again that ended by a refusal which turned out to be everybody's.

    Part of the commit that ends the last of them: a kill behind it would leave rows
    failed that nobody tries again.
    """
    row = ledger.row(refusal.row_id)
    if not ledger.mark_refused(refusal.attempt_id, error.kind):
        return None
    if row.status is not Status.FAILED or not ledger.is_planned(row.row_id):
        return None
    waits = Settled(Status.PENDING, error.kind, error.message)
    return change_row(ledger, job, row.row_id, waits)


def _may_go_elsewhere(
    queues: Mapping[str, ProviderQueue],
    decision: Decision | Moved,
    planned: str,
    end: AttemptEnd,
) -> bool:
    """Say whether its provider is done with a row, for the row's own sake or not.

    Others take over what waits at a provider that stopped, but leave what is in flight.
    """
    if isinstance(decision, Settled):
        return decision.status is not Status.HELD
    if end.again is Again.STOP:
        return True
    queue = queues.get(planned)
    return queue is not None and queue.stopped is not None


def _state(error: AttemptError) -> State:
    if isinstance(error, OutcomeUnknown):
        return State.UNKNOWN
    if isinstance(error, TaskLost | TaskOverdue):
        return State.OVERDUE
    return State.FAILED if error.counts else State.REJECTED


async def leave_open(run: Run, context: AttemptContext, error: ProviderStopped) -> None:
    """Leave an accepted task to a later run: it cannot be asked for without a key."""
    drop_tracebacks(error)
    leave_at_risk(run, context)
    context.queue.task_error = error
    judged = judge(run, context, error)
    _heed(run, context, judged.error)
    if not judged.returned:
        return

    def step(ledger: Ledger) -> list[RowChange | None]:
        return [_return(run.job, ledger, refusal, error) for refusal in judged.returned]

    def count(changes: list[RowChange | None]) -> None:
        for change in changes:
            run.record(change)

    await run.writer.commit(step, then=count)


def leave_at_risk(run: Run, context: AttemptContext) -> None:
    """Turn the reservation of a task that stays open into money at risk."""
    ceiling = run.budget.ceiling(context.reservation.price_key) or 0
    risk = 0 if billed(context) else ceiling * context.part.images
    run.spent(context.reservation, risk, at_risk=True)
    run.wake()


def _heed(run: Run, context: AttemptContext, error: AttemptError) -> None:
    """Do what the error asks of everybody on that provider; its words lose the key."""
    error.message = run.redactor.redact(error.message)
    queue = context.queue
    if error.retry_after_s:
        record_wait(run.progress, queue, error.retry_after_s, error.message)
    if isinstance(error, NotConnected):
        record_unreachable(run.progress, queue, error)
    else:
        queue.was_reached = True
    record_useless_reply(run, context, error)
