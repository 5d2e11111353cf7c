"""Failover: when a row moves from its provider to another one that can make it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batchgen.admission.next_step import may_move
from batchgen.admission.provider_queue import Lane
from batchgen.admission.run_context import RowRules, Run
from batchgen.budget import Budget, Reservation, shares_of
from batchgen.ledger import AttemptRecord, Ledger, PlannedRow, Reader, Way
from batchgen.model import OPEN, Sale, State

TAKEN_AT_ONCE = 32
"""Rows that an idle queue takes over in one step: few, so that a provider which works
again in the next run still has most of its rows."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The row goes on at another provider."""

    provider: str


def next_way(
    rules: RowRules, ledger: Reader, row_id: int, history: Sequence[AttemptRecord]
) -> Way | None:
    """Return another provider for a row that its own will not make."""
    if len(rules.lanes) < 2 or not may_move(history, rules.policy):
        return None
    planned = ledger.planned_provider(row_id)
    asked = {attempt.provider for attempt in history} | {planned}
    for way in ledger.route(row_id):
        lane = rules.lanes.get(way.provider)
        may = lane is not None and lane.stopped is None and can_pay(rules.budget, way)
        if way.provider not in asked and may:
            return way
    return None


def can_pay(budget: Budget, way: Way) -> bool:
    """Say whether the job's budgets, if it has any, can hold for a way."""
    return way.estimate is not None or not budget.limits


class TakeOver:
    """Lets an idle queue take rows from others.

    All rows of a provider that stopped are taken. From one that works, its last rows
    are taken too, where the job prefers speed to price.
    """

    def __init__(self, run: Run, taker: Lane) -> None:
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
        for giver in run.lanes.values():
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
        return sum(lane.stopped is not None for lane in self._run.lanes.values())

    def _step(
        self, giver: Lane, at: tuple[str, int]
    ) -> Callable[[Ledger], tuple[int | None, list[int]]]:
        limit = self._run.job.limit
        end = self._end.get(at, 1 << 62 if limit is None else limit)

        def step(ledger: Ledger) -> tuple[int | None, list[int]]:
            """Return where the rows that were looked at begin, and those taken."""
            rows = ledger.to_take(giver.name, self._taker.name, end, TAKEN_AT_ONCE)
            taken = [row.row.row_id for row in rows if self._took(ledger, giver, row)]
            return rows[-1].position if rows else None, taken

        return step

    def _took(self, ledger: Ledger, giver: Lane, planned: PlannedRow) -> bool:
        run, row = self._run, planned.row
        way = self._best(ledger.route(row.row_id))
        attempts = ledger.attempts_of(row.row_id)
        if way is None or any(attempt.state in OPEN for attempt in attempts):
            return False
        reservation = Reservation(
            group=Sale.of(way.provider, row.request, way.model, way.resolution),
            images=1,
            shares=shares_of(row.budget_group),
        )
        if run.budget.full_shares(reservation):
            return False
        history = [
            attempt for attempt in attempts if attempt.attempt_id > row.tries_from
        ]
        was_asked = any(attempt.provider == way.provider for attempt in history)
        # A provider that works keeps rows that it was already asked for.
        stays = bool(history) and giver.stopped is None
        # Stored images were paid for as agreed: they do not hold back the others.
        failed = [attempt for attempt in history if attempt.state is not State.STORED]
        if was_asked or stays or not may_move(failed, run.policy):
            return False
        ledger.move(row.row_id, way)
        return True

    def _best(self, route: Sequence[Way]) -> Way | None:
        """Return the taker's way, unless another working provider is cheaper."""
        for way in route:
            if way.provider == self._taker.name:
                return way if can_pay(self._run.budget, way) else None
            lane = self._run.lanes.get(way.provider)
            is_better = lane is not None and lane.stopped is None
            if is_better and self._run.job.route == "cheapest":
                return None
        return None
