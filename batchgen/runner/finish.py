"""What follows when an attempt ends without its images."""

from __future__ import annotations

from dataclasses import dataclass, replace

from batchgen.errors import (
    Again,
    AttemptError,
    Charge,
    GenerationFailed,
    NotConnected,
    OutcomeUnknown,
    ProviderDown,
    ProviderStopped,
    Refused,
    RequestInvalid,
    TaskLost,
    TaskOverdue,
    Throttled,
)
from batchgen.ledger import AttemptEnd, Ledger
from batchgen.limits import Refusal
from batchgen.model import State, Status
from batchgen.runner.accounts import (
    ChargedAs,
    billed,
    by_price,
    reported_nano,
    spend,
    tell_raised,
)
from batchgen.runner.answers import buy_excused, excuse, heed_silence, heed_wait
from batchgen.runner.context import Flight, Run
from batchgen.runner.decide import (
    Buy,
    Decision,
    Leave,
    Part,
    Settled,
    decide,
    history_of,
    others_hold,
    wait_s,
)
from batchgen.runner.events import log_ended
from batchgen.runner.moving import Moved, next_way
from batchgen.runner.uploads import without_lost_uploads
from batchgen.runner.verdict import Judged, judge, was_useless
from batchgen.tracebacks import drop_tracebacks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What the commit of an end says of the time after it.

    Attributes:
        decision: What follows for the row.
        planned: By whom the row is made now.
        ceiling: The attempt's, as the ledger has it by then.
        again: What is to be bought again since it failed with others, and where.
    """

    decision: Decision | Moved
    planned: str | None
    ceiling: int | None
    again: list[tuple[str, Part]]


async def fail(
    run: Run, flight: Flight, error: AttemptError, excused: tuple[int, ...] = ()
) -> None:
    """End an attempt that is not charged yet, and do what follows for its row.

    Args:
        run: The run.
        flight: The attempt.
        error: Why it ends.
        excused: Attempts that, as this one told, failed by no fault of their rows.
    """
    drop_tracebacks(error)
    judged = judge(run, flight, error)
    charge = _charge(run, flight, judged.error)
    error = await without_lost_uploads(run, flight, judged.error, charge)
    judged = replace(judged, error=error)
    if charge[0] is Charge.UNKNOWN:
        ceiling = await _end(run, flight, judged, charge, excused)
        run.spent(flight.reservation, ceiling or 0, at_risk=True)
    else:
        raised = spend(run, flight, charge)
        await _end(run, flight, judged, charge, excused)
        await tell_raised(run, flight, raised)


async def lose(
    run: Run, flight: Flight, error: AttemptError, charge: ChargedAs
) -> None:
    """End an attempt that was charged, and whose images cannot be had."""
    drop_tracebacks(error)
    await _end(run, flight, Judged(error), charge)


async def _end(
    run: Run,
    flight: Flight,
    judged: Judged,
    charge: ChargedAs,
    excused: tuple[int, ...] = (),
) -> int | None:
    """Write down the end; return the attempt's ceiling, as the ledger has it by then.

    Another charge may have raised it meanwhile, or will do so in the next commit.
    """
    # Before anything is awaited: nothing more may leave where all is useless.
    error = judged.error
    _heed(run, flight, error)
    end = AttemptEnd(
        state=_state(error),
        charge=charge[0],
        cost=charge[1],
        uncertain=charge.uncertain,
        again=error.again,
        counts=error.counts,
        error=error.kind,
        message=error.message,
        request_id=error.request_id and run.scrubber.clean_id(error.request_id),
        ended_at=run.time.now(),
    )
    ended = await run.writer.commit(
        lambda ledger: _write_end(run, ledger, flight, end, judged, excused)
    )
    log_ended(run, flight, end)
    decision, lane = ended.decision, run.lanes.get(ended.planned or "")
    if isinstance(decision, Buy) and lane is not None:
        # What was throttled was not tried: its provider's pace is what is waited for.
        tries = 1 if isinstance(error, Throttled) else decision.tries
        wait = wait_s(tries, error.retry_after_s, run.rng)
        lane.retries.add(flight.part, wait)
    elif isinstance(decision, Moved):
        run.lanes[decision.provider].moved.append(flight.part.row_id)
    elif error.again is Again.STOP and lane is not None and lane.stopped is None:
        lane.aside.append(flight.part)
    buy_excused(run, ended.again)
    return ended.ceiling


def _write_end(
    run: Run,
    ledger: Ledger,
    flight: Flight,
    end: AttemptEnd,
    judged: Judged,
    excused: tuple[int, ...],
) -> _Ended:
    attempt_id = flight.attempt.attempt_id
    is_excused = attempt_id in flight.lane.excused
    flight.lane.excused.discard(attempt_id)
    if flight.attempt.state is State.FAILED:
        ledger.reopen(attempt_id)  # its kept reply was read anew, and is of no use
    ledger.mark_ended(attempt_id, replace(end, excused=is_excused))
    is_down = isinstance(judged.error, ProviderDown)
    if is_down and flight.lane.breaker.is_past_patience:
        ledger.count_again(flight.part.row_id)
    for refusal in judged.returned:
        _return(run, ledger, refusal, judged.error)
    decision, planned = _settle(run, ledger, flight, end)
    return _Ended(
        decision=decision,
        planned=planned,
        ceiling=ledger.attempt(attempt_id).ceiling,
        again=excuse(run, ledger, excused),
    )


def _settle(
    run: Run, ledger: Ledger, flight: Flight, end: AttemptEnd
) -> tuple[Decision | Moved, str | None]:
    """Return what follows for the row, and by whom it is made now."""
    row = ledger.row(flight.part.row_id)
    may_go_on = row.status in (Status.PENDING, Status.HELD)
    planned = ledger.planned_provider(row.row_id)
    if not may_go_on or planned is None:
        return Leave(), planned
    attempts = ledger.attempts_of(row.row_id)
    history = history_of(attempts, flight.part, row.tries_from)
    decision = decide(history, run.policy, planned)
    is_held = row.status is Status.HELD and others_hold(
        attempts, flight.part, run.policy, row
    )
    if is_held and not isinstance(decision, Settled):
        return Leave(), planned  # a person decides, for all its parts
    if not is_held and _may_go_elsewhere(run, decision, planned, end):
        way = next_way(run, ledger, row.row_id, history)
        if way is not None:
            ledger.move(row.row_id, way)
            ledger.settle(row.row_id, Status.PENDING, end.error, end.message)
            run.progress.settle(Status.PENDING, row.status)
            return Moved(way.provider), way.provider
    if isinstance(decision, Settled):
        ledger.settle(row.row_id, decision.status, decision.error, decision.message)
        rows = run.rows_of(ledger, row.row_id)
        run.settled(decision.status, row.status, decision.error, rows)
    else:
        ledger.settle(row.row_id, Status.PENDING, end.error, end.message)
        run.progress.settle(Status.PENDING, row.status)
    return decision, planned


def _return(run: Run, ledger: Ledger, refusal: Refusal, error: AttemptError) -> None:
    """Let a row wait again that ended by a refusal which turned out to be everybody's.

    Part of the commit that ends the last of them: a kill behind it would leave rows
    failed that nobody tries again.
    """
    row = ledger.row(refusal.row_id)
    if not ledger.mark_refused(refusal.attempt_id, error.kind):
        return
    if row.status is not Status.FAILED or not ledger.is_planned(row.row_id):
        return
    ledger.settle(row.row_id, Status.PENDING, error.kind, error.message)
    rows = run.rows_of(ledger, row.row_id)
    run.progress.settle(Status.PENDING, Status.FAILED, rows)


def _may_go_elsewhere(
    run: Run, decision: Decision, planned: str, end: AttemptEnd
) -> bool:
    """Say whether its provider is done with a row, for the row's own sake or not.

    Others take over what waits at a provider that stopped, but leave what is in flight.
    """
    if isinstance(decision, Settled):
        return decision.status is not Status.HELD
    if end.again is Again.STOP:
        return True
    lane = run.lanes.get(planned)
    return lane is not None and lane.stopped is not None


def _state(error: AttemptError) -> State:
    if isinstance(error, OutcomeUnknown):
        return State.UNKNOWN
    if isinstance(error, TaskLost | TaskOverdue):
        return State.OVERDUE
    return State.FAILED if error.counts else State.REJECTED


def _charge(run: Run, flight: Flight, error: AttemptError) -> ChargedAs:
    """Return what the failed attempt cost; an accepted task is never surely free."""
    if (settled := billed(flight)) is not None:
        return settled
    charge = error.charge
    task_exists = flight.task_id is not None
    if task_exists and charge is Charge.NONE:
        charge = Charge.UNKNOWN
    free = flight.lane.failed_tasks == "free"
    # An end that cannot be read, or has no image, is no failure that is surely free.
    failed = isinstance(error, GenerationFailed | Refused | RequestInvalid)
    if task_exists and failed and charge is Charge.UNKNOWN and free:
        charge = Charge.NONE
    reported = reported_nano(run, flight, error)
    match charge:
        case Charge.NONE:
            return ChargedAs(charge, 0)
        case Charge.REPORTED if reported is not None:
            return ChargedAs(charge, reported)
        case Charge.PRICE_LIST:
            return by_price(run, flight, flight.part.images)
        case _:
            return ChargedAs(Charge.UNKNOWN, None)


async def leave_open(run: Run, flight: Flight, error: ProviderStopped) -> None:
    """Leave an accepted task to a later run: it cannot be asked for without a key."""
    drop_tracebacks(error)
    give_back(run, flight)
    flight.lane.task_refusal = error
    judged = judge(run, flight, error)
    _heed(run, flight, judged.error)
    if not judged.returned:
        return

    def step(ledger: Ledger) -> None:
        for refusal in judged.returned:
            _return(run, ledger, refusal, error)

    await run.writer.commit(step)


def give_back(run: Run, flight: Flight) -> None:
    """Turn the reservation of a task that stays open into money at risk."""
    ceiling = run.budget.ceiling(flight.reservation.group) or 0
    risk = 0 if billed(flight) else ceiling * flight.part.images
    run.spent(flight.reservation, risk, at_risk=True)
    run.wake()


def _heed(run: Run, flight: Flight, error: AttemptError) -> None:
    """Do what the error asks of everybody on that provider; its words lose the key."""
    error.message = run.scrubber.clean(error.message)
    lane = flight.lane
    if error.retry_after_s:
        heed_wait(run, lane, error.retry_after_s, error.message)
    if isinstance(error, NotConnected):
        heed_silence(run, lane, error)
    else:
        lane.was_reached = True
    was_useless(run, flight, error)
