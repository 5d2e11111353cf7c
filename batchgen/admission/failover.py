"""Failover: when a row moves from its provider to another one that can make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from batchgen.admission.next_step import may_move
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import RowRules, Run
from batchgen.budget import Budget, Reservation, column_values_of
from batchgen.ledger import AttemptRecord, Candidate, Ledger, PlannedRow, Reader
from batchgen.model import OPEN, PriceKey, State
from batchgen.model.row_scope import RowScope

ROWS_PER_STEP = 32
"""Rows that an idle queue takes over in one step: few, so that a provider which works
again in the next run still has most of its rows."""

_Taken = tuple[int | None, list[int]]
"""Where the rows that were read begin, None if there were none; and which move."""


@dataclass(frozen=True, slots=True)
class Move:
    """The row goes on at another provider."""

    provider: str


def next_candidate(
    rules: RowRules, ledger: Reader, row_id: int, history: Sequence[AttemptRecord]
) -> Candidate | None:
    """Return another provider for a row that its own will not make."""
    if len(rules.queues) < 2 or not may_move(history, rules.policy):
        return None
    planned = ledger.planned_provider(row_id)
    tried = {planned, *(attempt.provider for attempt in history)}
    usable = _usable_candidates(ledger.route(row_id), rules.queues, rules.budget)
    return next((each for each in usable if each.provider not in tried), None)


def _usable_candidates(
    route: Sequence[Candidate], queues: Mapping[str, ProviderQueue], budget: Budget
) -> Iterator[Candidate]:
    """Yield the candidates of a row that can be bought from now, the best first.

    A provider that has stopped cannot, nor one without a price if there is a budget.
    """
    for candidate in route:
        queue = queues.get(candidate.provider)
        is_priced = candidate.estimate is not None or not budget.limits
        if queue is not None and queue.stopped is None and is_priced:
            yield candidate


class WorkStealing:
    """Lets an idle queue take rows from others.

    All rows of a provider that stopped are taken. From one that works, its last rows
    are taken too, where the job prefers speed to price.
    """

    def __init__(self, run: Run, queue: ProviderQueue) -> None:
        self._run = run
        self._queue = queue
        # From which position on a donor's rows were looked at; None once all were. Anew
        # when a provider stops, or a row of one that has stopped waits for no other.
        self._end: dict[tuple[str, int, int], int | None] = {}

    async def steal(self) -> bool:
        """Take rows from others; say whether some came."""
        run = self._run
        if run.planning:
            return False
        for donor in run.queues.values():
            may_donate = donor.stopped is not None or run.job.route == "fastest"
            while donor is not self._queue and may_donate:
                at = (donor.name, self._stopped_queues(), run.children_for_others)
                scope = run.job.rows_in_scope
                end = self._end.get(at, scope)
                if end is None:
                    break
                step = self._step(donor, scope.before(end))
                self._end[at], row_ids = await run.writer.commit(step)
                self._queue.moved_rows.extend(row_ids)
                if row_ids:
                    return True
        return False

    def _stopped_queues(self) -> int:
        return sum(queue.stopped is not None for queue in self._run.queues.values())

    def _step(
        self, donor: ProviderQueue, end: RowScope
    ) -> Callable[[Ledger], tuple[int | None, list[int]]]:
        def step(ledger: Ledger) -> tuple[int | None, list[int]]:
            """Return where the rows that were read begin, and which of them move."""
            rows = ledger.rows_to_take(donor.name, self._queue.name, end, ROWS_PER_STEP)
            row_ids = [row.row.row_id for row in rows if self._move(ledger, donor, row)]
            return rows[-1].position if rows else None, row_ids

        return step

    def _move(self, ledger: Ledger, donor: ProviderQueue, planned: PlannedRow) -> bool:
        run, row = self._run, planned.row
        candidate = self._own_candidate(ledger.route(row.row_id))
        attempts = ledger.attempts_of(row.row_id)
        if candidate is None or any(attempt.state in OPEN for attempt in attempts):
            return False
        reservation = Reservation(
            price_key=PriceKey.of(
                candidate.provider, row.request, candidate.model, candidate.resolution
            ),
            images=1,
            column_values=column_values_of(row.budget_group),
        )
        if run.budget.full_column_values(reservation):
            return False
        history = [
            attempt for attempt in attempts if attempt.attempt_id > row.tries_from
        ]
        was_asked = any(attempt.provider == candidate.provider for attempt in history)
        # A provider that works keeps rows that it was already asked for.
        stays = bool(history) and donor.stopped is None
        # Stored images were paid for as agreed: they do not hold back the others.
        failed = [attempt for attempt in history if attempt.state is not State.STORED]
        if was_asked or stays or not may_move(failed, run.policy):
            return False
        ledger.move(row.row_id, candidate)
        return True

    def _own_candidate(self, route: Sequence[Candidate]) -> Candidate | None:
        """Return this provider's candidate, unless a cheaper one can be bought from."""
        usable = [*_usable_candidates(route, self._run.queues, self._run.budget)]
        if self._run.job.route == "cheapest":
            usable = usable[:1]
        ours = (each for each in usable if each.provider == self._queue.name)
        return next(ours, None)
