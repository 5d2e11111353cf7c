"""Find the budgets that are too small for the rest of a run, and what they need."""

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

CommittedIn = Callable[[Scope], int]


def record_shortfall(
    run: Run, ledger: Ledger, end: int, error: BudgetReached
) -> RequiredBudget:
    """Return the budgets that are too small for the rest, and what they need.

    The rest is counted without retries, at the ceilings at which it would be reserved.
    Budgets that must be raised to continue at all are recorded in the ledger.

    Args:
        run: The run, which has ended.
        ledger: Its ledger.
        end: Position behind the last row in scope.
        error: The error that ended it.
    """

    def price(rows: SaleToBuy) -> int:
        return rows.missing * (run.budget.ceiling(rows.price_key) or 0)

    def committed_in(scope: Scope) -> int:
        return run.budget.committed(scope) + run.budget.held(scope)

    required = _required(
        ledger, run.budget.limits, (end, run.budget.today), price, committed_in
    )
    # If only the day is full, the run can continue tomorrow.
    day = required.day if isinstance(error, DayTooSmall) else None
    with ledger.transaction():
        ledger.meta.budget_needed = replace(required, day=day).dump()
    return required


def _required(
    ledger: Reader,
    limits: Limits,
    span: tuple[int, int],
    price: Callable[[SaleToBuy], int],
    committed_in: CommittedIn,
) -> RequiredBudget:
    end, today = span
    to_buy = Counter[Scope]()
    for rows in sales_to_buy(ledger, end):
        if rows.missing > 0:
            nano = price(rows)
            scopes: tuple[Scope, ...] = column_values_of(rows.budget_group)
            for scope in ("run", today, *scopes):
                to_buy[scope] += nano
    too_small = {
        scope: committed_in(scope) + nano
        for scope, nano in to_buy.items()
        if (limit := limits.of(scope)) is not None
        and committed_in(scope) + nano > limit
    }
    by: dict[str, dict[str, int]] = {}
    for scope, nano in too_small.items():
        if isinstance(scope, ColumnValue):
            by.setdefault(scope.column, {})[scope.value] = nano
    return RequiredBudget(run=too_small.get("run"), day=too_small.get(today), by=by)
