"""Failover: when a row moves from its provider to another one that can make it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batchgen.admission.next_step import may_move
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import RowRules, Run
from batchgen.budget import Budget, Reservation, column_values_of
from batchgen.ledger import AttemptRecord, Candidate, Ledger, PlannedRow, Reader
from batchgen.model import OPEN, PriceKey, State

ROWS_PER_STEP = 32
"""Rows that an idle queue takes over in one step: few, so that a provider which works
again in the next run still has most of its rows."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The row goes on at another provider."""

    provider: str


def next_candidate(
    rules: RowRules, ledger: Reader, row_id: int, history: Sequence[AttemptRecord]
) -> Candidate | None:
    """Return another provider for a row that its own will not make."""
    if len(rules.queues) < 2 or not may_move(history, rules.policy):
        return None
    planned = ledger.planned_provider(row_id)
    tried_providers = {attempt.provider for attempt in history} | {planned}
    for candidate in ledger.route(row_id):
        queue = rules.queues.get(candidate.provider)
        may = (
            queue is not None
            and queue.stopped is None
            and can_reserve(rules.budget, candidate)
        )
        if candidate.provider not in tried_providers and may:
            return candidate
    return None


def can_reserve(budget: Budget, candidate: Candidate) -> bool:
    """Say whether the job's budgets, if it has any, can hold for a candidate."""
    return candidate.estimate is not None or not budget.limits


class WorkStealing:
    """Lets an idle queue take rows from others.

    All rows of a provider that stopped are taken. From one that works, its last rows
    are taken too, where the job prefers speed to price.
    """

    def __init__(self, run: Run, queue: ProviderQueue) -> None:
        self._run = run
        self._queue = queue
        # From which position on a donor's rows were looked at; anew when one stops.
        self._end: dict[tuple[str, int], int] = {}
        self._emptied: set[tuple[str, int]] = set()

    async def take(self) -> bool:
        """Say whether some rows came."""
        run = self._run
        if run.planning:
            return False
        for donor in run.queues.values():
            gives = donor.stopped is not None or run.job.route == "fastest"
            while donor is not self._queue and gives:
                at = (donor.name, self._stopped())
                if at in self._emptied:
                    break
                end, row_ids = await run.writer.commit(self._step(donor, at))
                if end is None:
                    self._emptied.add(at)
                    break
                self._end[at] = end
                self._queue.moved_rows.extend(row_ids)
                if row_ids:
                    return True
        return False

    def _stopped(self) -> int:
        return sum(queue.stopped is not None for queue in self._run.queues.values())

    def _step(
        self, donor: ProviderQueue, at: tuple[str, int]
    ) -> Callable[[Ledger], tuple[int | None, list[int]]]:
        end = self._run.job.rows_in_scope.before(self._end.get(at))

        def step(ledger: Ledger) -> tuple[int | None, list[int]]:
            """Return where the rows that were looked at begin, and those taken."""
            rows = ledger.rows_to_take(donor.name, self._queue.name, end, ROWS_PER_STEP)
            row_ids = [row.row.row_id for row in rows if self._took(ledger, donor, row)]
            return rows[-1].position if rows else None, row_ids

        return step

    def _took(self, ledger: Ledger, donor: ProviderQueue, planned: PlannedRow) -> bool:
        run, row = self._run, planned.row
        candidate = self._best(ledger.route(row.row_id))
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

    def _best(self, route: Sequence[Candidate]) -> Candidate | None:
        """Return the own candidate, unless another working provider is cheaper."""
        for candidate in route:
            if candidate.provider == self._queue.name:
                return candidate if can_reserve(self._run.budget, candidate) else None
            queue = self._run.queues.get(candidate.provider)
            is_better = queue is not None and queue.stopped is None
            if is_better and self._run.job.route == "cheapest":
                return None
        return None
