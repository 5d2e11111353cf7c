"""How large budgets must be for the rows that are still to be bought.

The answer has amounts only for those budgets that are too small.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from batchgen.errors import BudgetReached, DayTooSmall
from batchgen.ledger import Ledger, Reader
from batchgen.ledger.estimate import EVERY_ROW, estimate_of
from batchgen.ledger.outstanding import highest_price_factor, sales_to_buy
from batchgen.model import to_nano
from batchgen.model.spending_limits import ColumnValue, Limits, Scope, column_values_of

if TYPE_CHECKING:
    from batchgen.budget import Budget


def required_after_retry(ledger: Reader) -> Limits:
    """Return what the run's budget needs after rows were marked for a retry.

    The command has no job, so the plan's estimates stand for prices. They are raised by
    the factor by which ceilings were above estimates so far.
    """
    limit = Limits.load(ledger.meta.limits).run
    recorded = Limits.load(ledger.meta.budget_needed)
    if limit is None:
        return recorded
    money = ledger.money()
    committed = money.spent + money.superseded + money.at_risk
    remaining_usd = estimate_of(ledger, EVERY_ROW, ledger.generation).usd
    factor = Decimal(highest_price_factor(ledger) or 1)
    required = max(committed + to_nano(remaining_usd * factor), recorded.run or 0)
    return replace(recorded, run=required if required > limit else recorded.run)


def record_shortfall(
    ledger: Ledger, budget: Budget, end: int, error: BudgetReached
) -> Limits:
    """Return the budgets that are too small for the rest, and what they need.

    The rest is counted without retries, at the ceilings at which it would be reserved.
    Budgets that must be raised to continue at all are recorded in the ledger.

    Args:
        ledger: The ledger of a run that has ended.
        budget: Its budgets.
        end: Position behind the last row in scope.
        error: The error that ended it.
    """
    to_buy = Counter[Scope]()
    for sale in sales_to_buy(ledger, end):
        scopes: tuple[Scope, ...] = column_values_of(sale.budget_group)
        for scope in ("run", budget.today, *scopes) if sale.missing > 0 else ():
            to_buy[scope] += sale.missing * (budget.ceiling(sale.price_key) or 0)
    too_small: dict[Scope, int] = {}
    for scope, nano in to_buy.items():
        needed = budget.committed(scope) + budget.held(scope) + nano
        limit = budget.limits.of(scope)
        if limit is not None and needed > limit:
            too_small[scope] = needed
    by: dict[str, dict[str, int]] = {}
    for scope, needed in too_small.items():
        if isinstance(scope, ColumnValue):
            by.setdefault(scope.column, {})[scope.value] = needed
    day = too_small.get(budget.today)
    required = Limits(run=too_small.get("run"), day=day, by=by)
    # If only the day is full, the run can continue tomorrow.
    day_to_raise = day if isinstance(error, DayTooSmall) else None
    with ledger.transaction():
        ledger.meta.budget_needed = replace(required, day=day_to_raise).dump()
    return required
