"""Which budgets are too small for what a run has left to buy, and what they need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from batchgen.budget import ColumnValue, Limits, Scope, column_values_of
from batchgen.errors import BudgetReached, DayTooSmall
from batchgen.ledger import Ledger, Reader
from batchgen.ledger.outstanding import SaleToBuy, sales_to_buy
from batchgen.runner.required_budget import RequiredBudget

if TYPE_CHECKING:
    from batchgen.admission.run_context import Run

UsedOf = Callable[[Scope], int]


def record_shortfall(
    run: Run, ledger: Ledger, end: int, error: BudgetReached
) -> RequiredBudget:
    """Return which budgets are too small for what is left, and what they would need.

    All that is left is counted at its ceiling, as it is reserved, and without retries.
    What must be raised to carry on at all is noted in the ledger.

    Args:
        run: The run, which has ended.
        ledger: Its ledger.
        end: Position behind the last row in scope.
        error: What it ended by.
    """

    def price(rows: SaleToBuy) -> int:
        return rows.missing * (run.budget.ceiling(rows.price_key) or 0)

    def used_in(scope: Scope) -> int:
        return run.budget.committed(scope) + run.budget.held(scope)

    required = _needed(
        ledger, run.budget.limits, (end, run.budget.today), price, used_in
    )
    # A full day is over tomorrow.
    day = required.day if isinstance(error, DayTooSmall) else None
    with ledger.transaction():
        ledger.meta.budget_needed = replace(required, day=day).dump()
    return required


def _needed(
    ledger: Reader,
    limits: Limits,
    span: tuple[int, int],
    price: Callable[[SaleToBuy], int],
    used_in: UsedOf,
) -> RequiredBudget:
    end, today = span
    rest = Counter[Scope]()
    for rows in sales_to_buy(ledger, end):
        if rows.missing > 0:
            nano = price(rows)
            scopes: tuple[Scope, ...] = column_values_of(rows.budget_group)
            for scope in ("run", today, *scopes):
                rest[scope] += nano
    short = {
        scope: used_in(scope) + nano
        for scope, nano in rest.items()
        if (limit := limits.of(scope)) is not None and used_in(scope) + nano > limit
    }
    by: dict[str, dict[str, int]] = {}
    for scope, nano in short.items():
        if isinstance(scope, ColumnValue):
            by.setdefault(scope.column, {})[scope.value] = nano
    return RequiredBudget(run=short.get("run"), day=short.get(today), by=by)
