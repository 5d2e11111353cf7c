"""What the commit of an attempt's end writes down. It touches only the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchgen.admission.failover import Move, next_candidate
from batchgen.admission.next_step import (
    Decision,
    Leave,
    Part,
    RowEnd,
    decide,
    history_of,
    others_hold,
)
from batchgen.admission.provider_health import (
    BoughtAgain,
    waive,
)
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.row_changes import RowChange, change_row
from batchgen.admission.run_context import AttemptContext, RowRules
from batchgen.errors import (
    Again,
    AttemptError,
    OutcomeUnknown,
    TaskLost,
    TaskOverdue,
)
from batchgen.ledger import AttemptEnd, Charged, Ledger
from batchgen.limits import Refusal
from batchgen.model import Job, State, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOutcome:
    """What the commit of an end has written down, and what follows from that.

    Attributes:
        decision: What follows for the row.
        planned: The provider that is planned for the row now.
        changes: Of this row, and of others with the same refusal.
        ceiling: The attempt's, as the ledger has it at the commit.
        waived: Parts to buy again, because they failed together with others.
    """

    decision: Decision | Move
    planned: str | None
    changes: Sequence[RowChange]
    ceiling: int | None
    waived: Sequence[BoughtAgain]


def write_effects(
    rules: RowRules,
    ledger: Ledger,
    context: AttemptContext,
    end: AttemptEnd,
    refusals: Sequence[Refusal],
    waived: tuple[int, ...],
) -> EndOutcome:
    """Write down what an end means for its row and for others."""
    reopened = [
        reopen_refused(rules.job, ledger, refusal, end.error, end.message)
        for refusal in refusals
    ]
    decision, planned, change = _settle_row(rules, ledger, context.part, end)
    return EndOutcome(
        decision=decision,
        planned=planned,
        changes=[each for each in (*reopened, change) if each is not None],
        ceiling=ledger.attempt(context.attempt.attempt_id).ceiling,
        waived=waive(rules, ledger, waived),
    )


def _settle_row(
    rules: RowRules, ledger: Ledger, part: Part, end: AttemptEnd
) -> tuple[Decision | Move, str | None, RowChange | None]:
    """Return what follows for the row, its planned provider now, and what changed."""
    row = ledger.row(part.row_id)
    may_go_on = row.status in (Status.PENDING, Status.HELD)
    planned = ledger.planned_provider(row.row_id)
    if not may_go_on or planned is None:
        return Leave(), planned, None
    attempts = ledger.attempts_of(row.row_id)
    history = history_of(attempts, part, row.tries_from)
    decision: Decision | Move = decide(history, rules.policy, planned)
    is_held = row.status is Status.HELD and others_hold(
        attempts, part, rules.policy, row
    )
    if is_held and not isinstance(decision, RowEnd):
        return Leave(), planned, None  # the user decides about all its parts
    if not is_held and _may_fail_over(rules.queues, decision, planned, end):
        candidate = next_candidate(rules, ledger, row.row_id, history)
        if candidate is not None:
            ledger.move(row.row_id, candidate)
            decision, planned = Move(candidate.provider), candidate.provider
    pending = RowEnd(Status.PENDING, end.error, end.message)
    settled = decision if isinstance(decision, RowEnd) else pending
    return decision, planned, change_row(ledger, rules.job, row.row_id, settled)


def reopen_refused(
    job: Job, ledger: Ledger, refusal: Refusal, error: str, message: str
) -> RowChange | None:
    """Make a row pending again if its refusal turned out to concern all rows.

    This is part of the commit that ends the last of these attempts: a kill between two
    commits would leave rows failed that nobody tries again.
    """
    row = ledger.row(refusal.row_id)
    if not ledger.mark_refused(refusal.attempt_id, error):
        return None
    if row.status is not Status.FAILED or not ledger.is_planned(row.row_id):
        return None
    pending = RowEnd(Status.PENDING, error, message)
    return change_row(ledger, job, row.row_id, pending)


def _may_fail_over(
    queues: Mapping[str, ProviderQueue],
    decision: Decision | Move,
    planned: str,
    end: AttemptEnd,
) -> bool:
    """Say whether another provider may take over a row.

    Its own provider has settled it or has stopped. When a provider stops, others take
    over its waiting rows at once, and rows in flight only here.
    """
    if isinstance(decision, RowEnd):
        return decision.status is not Status.HELD
    if end.again is Again.STOP:
        return True
    queue = queues.get(planned)
    return queue is not None and queue.stopped is not None


def end_of(
    error: AttemptError, charge: Charged, request_id: str | None, at: int
) -> AttemptEnd:
    """Return the end of an attempt that failed with an error."""
    return AttemptEnd(
        state=_state_after(error),
        charge=charge.charge,
        cost=charge.cost,
        uncertain=charge.uncertain,
        again=error.again,
        counts=error.counts,
        error=error.kind,
        message=error.message,
        request_id=request_id,
        ended_at=at,
    )


def _state_after(error: AttemptError) -> State:
    if isinstance(error, OutcomeUnknown):
        return State.UNKNOWN
    if isinstance(error, TaskLost | TaskOverdue):
        return State.OVERDUE
    return State.FAILED if error.counts else State.REJECTED
