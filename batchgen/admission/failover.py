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

TAKEN_AT_ONCE = 32
"""Rows that an idle queue takes over in one step: few, so that a provider which works
again in the next run still has most of its rows."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The row goes on at another provider."""

    provider: str


def next_way(
    rules: RowRules, ledger: Reader, row_id: int, history: Sequence[AttemptRecord]
) -> Candidate | None:
    """Return another provider for a row that its own will not make."""
    if len(rules.queues) < 2 or not may_move(history, rules.policy):
        return None
    planned = ledger.planned_provider(row_id)
    asked = {attempt.provider for attempt in history} | {planned}
    for candidate in ledger.route(row_id):
        queue = rules.queues.get(candidate.provider)
        may = (
            queue is not None
            and queue.stopped is None
            and can_pay(rules.budget, candidate)
        )
        if candidate.provider not in asked and may:
            return candidate
    return None


def can_pay(budget: Budget, candidate: Candidate) -> bool:
    """Say whether the job's budgets, if it has any, can hold for a way."""
    return candidate.estimate is not None or not budget.limits


class WorkStealing:
    """Lets an idle queue take rows from others.

    All rows of a provider that stopped are taken. From one that works, its last rows
    are taken too, where the job prefers speed to price.
    """

    def __init__(self, run: Run, taker: ProviderQueue) -> None:
        self._run = run
        self._taker = taker
        # From which position on a giver's rows were looked at; anew when one stops.
        self._end: dict[tuple[str, int], int] = {}
        self._emptied: set[tuple[str, int]] = set()

    async def take(self) -> bool:
        """Say whether some rows came."""
        run = self._run
        if run.planning:
            return False
        for giver in run.queues.values():
            gives = giver.stopped is not None or run.job.route == "fastest"
            while giver is not self._taker and gives:
                at = (giver.name, self._stopped())
                if at in self._emptied:
                    break
                end, taken = await run.writer.commit(self._step(giver, at))
                if end is None:
                    self._emptied.add(at)
                    break
                self._end[at] = end
                self._taker.moved.extend(taken)
                if taken:
                    return True
        return False

    def _stopped(self) -> int:
        return sum(queue.stopped is not None for queue in self._run.queues.values())

    def _step(
        self, giver: ProviderQueue, at: tuple[str, int]
    ) -> Callable[[Ledger], tuple[int | None, list[int]]]:
        limit = self._run.job.limit
        end = self._end.get(at, 1 << 62 if limit is None else limit)

        def step(ledger: Ledger) -> tuple[int | None, list[int]]:
            """Return where the rows that were looked at begin, and those taken."""
            rows = ledger.rows_to_take(giver.name, self._taker.name, end, TAKEN_AT_ONCE)
            taken = [row.row.row_id for row in rows if self._took(ledger, giver, row)]
            return rows[-1].position if rows else None, taken

        return step

    def _took(self, ledger: Ledger, giver: ProviderQueue, planned: PlannedRow) -> bool:
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
        stays = bool(history) and giver.stopped is None
        # Stored images were paid for as agreed: they do not hold back the others.
        failed = [attempt for attempt in history if attempt.state is not State.STORED]
        if was_asked or stays or not may_move(failed, run.policy):
            return False
        ledger.move(row.row_id, candidate)
        return True

    def _best(self, route: Sequence[Candidate]) -> Candidate | None:
        """Return the taker's way, unless another working provider is cheaper."""
        for candidate in route:
            if candidate.provider == self._taker.name:
                return candidate if can_pay(self._run.budget, candidate) else None
            queue = self._run.queues.get(candidate.provider)
            is_better = queue is not None and queue.stopped is None
            if is_better and self._run.job.route == "cheapest":
                return None
        return None
