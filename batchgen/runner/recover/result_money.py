"""Add purchases that only the result table has, if the table of purchases is lost.

The result table has one line for each row, so it only has the sum of its costs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from batchgen.errors import Again, Charge
from batchgen.ledger import AttemptRecord, Ledger
from batchgen.ledger.rebuilding import Rebuilding
from batchgen.model import Basis, State, Status
from batchgen.output.reading import TableRow, WrittenTable
from batchgen.providers.base import TaskProvider
from batchgen.runner.recover.recovered_attempts import (
    AttemptFactory,
    micros_in,
    nano_in,
)
from batchgen.runner.recover.row_finder import RowFinder

_CHARGES = {
    Basis.REPORTED: Charge.REPORTED,
    Basis.BILLED: Charge.BILLED,
    Basis.PRICE_LIST: Charge.PRICE_LIST,
}
_MAX_ATTEMPTS = 10_000
"""Maximum of one row: an edited file may contain any number [assumed]."""

_SETTLED = (Charge.REPORTED, Charge.BILLED)


@dataclass(slots=True, kw_only=True)
class ResultMoney:
    """Adds the cost of rows beyond the purchases of ZIP and log."""

    ledger: Ledger
    rebuilding: Rebuilding
    row_finder: RowFinder
    attempt_factory: AttemptFactory

    def add_all(self, results: WrittenTable) -> None:
        """Add the cost of all rows."""
        for row in results.rows():
            is_bought = row["attempts"] or row["at_risk_attempts"]
            if is_bought and (row_id := self.row_finder.row_of_result(row)) is not None:
                self._add_cost(row, row_id)
                self._add_risk(row, row_id)

    def _add_cost(self, row: TableRow, row_id: int) -> None:
        charge = _CHARGES.get(Basis(row["cost_basis"] or "none"))
        cost = nano_in(row, "cost_usd")
        if charge is None or cost is None:
            return
        attempts = self.ledger.attempts_of(row_id)
        if (
            len(attempts) == 1
            and charge in _SETTLED
            and attempts[0].charge not in _SETTLED
        ):
            # The ZIP has its image, and the table has its charge.
            self._put(attempts[0], charge=charge, cost=cost, uncertain=0)
            return
        missing = cost - sum(attempt.cost or 0 for attempt in attempts)
        is_stored = row["status"] == Status.SUCCEEDED and not attempts
        if missing > 0 or is_stored:
            self._add(
                row,
                row_id,
                state=State.STORED if is_stored else State.FAILED,
                charge=charge,
                cost=missing,
                again=None if is_stored else Again.LATER,
            )

    def _add_risk(self, row: TableRow, row_id: int) -> None:
        risky = [
            attempt for attempt in self.ledger.attempts_of(row_id) if attempt.at_risk
        ]
        count = (row["at_risk_attempts"] or 0) - len(risky)
        if count > _MAX_ATTEMPTS:
            raise ValueError(f"{count} purchases of one row at risk")
        at_risk = nano_in(row, "at_risk_usd")
        for _ in range(max(0, count)):
            ceiling = None if at_risk is None else -(-at_risk // count)
            is_task = row["request_id"] is not None and isinstance(
                self.attempt_factory.providers.get(row["provider"]), TaskProvider
            )
            self._add(
                row,
                row_id,
                state=State.ACCEPTED if is_task else State.UNKNOWN,
                charge=None if is_task else Charge.UNKNOWN,
                task_id=row["request_id"] if is_task else None,
                ceiling=ceiling,
                again=None if is_task else Again.LATER,
            )

    def _add(self, row: TableRow, row_id: int, **values: Any) -> None:
        number = self.ledger.newest_attempt() + 1
        images = self.ledger.row(row_id).request.n
        at = micros_in(row, "started_at") or 0
        attempt = self.attempt_factory.new_attempt(
            self.ledger, number, row_id, (1, images), at
        )
        self._put(
            attempt,
            **{
                "provider": row["provider"] or attempt.provider,
                "model": row["model"] or attempt.model,
                "request_id": row["request_id"],
                "ended_at": micros_in(row, "finished_at"),
                "error": row["error"],
                "message": row["message"],
            }
            | values,
        )

    def _put(self, attempt: AttemptRecord, **values: Any) -> None:
        self.rebuilding.put_attempt(replace(attempt, **values))
