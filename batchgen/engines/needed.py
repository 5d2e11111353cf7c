"""Which budgets are too small for what is left to buy, and how much they would need."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from batchgen.budget import Limits, Scope, Share, shares_of
from batchgen.engines.estimate import EVERY_ROW, estimate_of
from batchgen.errors import BudgetReached, DayTooSmall
from batchgen.ledger import Ledger, Reader, load_request
from batchgen.model import Sale, to_nano
from batchgen.runner.context import Run

NEEDED = "budget_needed"
"""Name under which a folder keeps what the budgets need that stopped its last run."""

UsedOf = Callable[[Scope], int]


def remember_needed(run: Run, ledger: Ledger, end: int, error: BudgetReached) -> Limits:
    """Return which budgets are too small for what is left, and what they would need.

    All that is left is counted at its ceiling, as it is reserved, and without retries.
    What must be raised to carry on at all is noted in the ledger.

    Args:
        run: The run, which has ended.
        ledger: Its ledger.
        end: Position behind the last row in scope.
        error: What it ended by.
    """

    def price(row: sqlite3.Row) -> int:
        request = load_request(row["request"])
        sale = Sale.of(row["provider"], request, row["model"], row["resolution"])
        lacking: int = row["lacking"]
        return lacking * (run.budget.ceiling(sale) or 0)

    def used(scope: Scope) -> int:
        return run.budget.committed(scope) + run.budget.held(scope)

    needed = _needed(ledger, run.budget.limits, (end, run.budget.today), price, used)
    # A full day is over tomorrow.
    day = needed.day if isinstance(error, DayTooSmall) else None
    with ledger.transaction():
        ledger.put(NEEDED, replace(needed, day=day).dump())
    return needed


def needed_in(ledger: Reader) -> Limits:
    """Return what the budgets need that stopped the last run; nothing if none did."""
    text = ledger.get(NEEDED)
    return Limits.load(text) if isinstance(text, str) else Limits()


def needed_after_retry(ledger: Reader) -> Limits:
    """Return what the run's budget needs once rows are to be tried again.

    Where no job is at hand the plan's estimates stand for prices, raised by as much as
    ceilings were above them so far.
    """
    text = ledger.get("limits")
    limits = Limits.load(text) if isinstance(text, str) else Limits()
    noted = needed_in(ledger)
    if limits.run is None:
        return noted
    money = ledger.money()
    used = money.spent + money.retired + money.at_risk
    left = estimate_of(ledger, EVERY_ROW, ledger.generation).usd
    factor = Decimal(ledger.run("ceiling_factor").fetchone()[0] or 1)
    needed = max(used + to_nano(left * factor), noted.run or 0)
    return replace(noted, run=needed if needed > limits.run else noted.run)


def _needed(
    ledger: Reader,
    limits: Limits,
    span: tuple[int, int],
    price: Callable[[sqlite3.Row], int],
    used: UsedOf,
) -> Limits:
    end, today = span
    rest = Counter[Scope]()
    values = {"generation": ledger.generation, "below": end}
    for row in ledger.run("rows_to_buy", values):
        if row["lacking"] > 0:
            nano = price(row)
            scopes: tuple[Scope, ...] = shares_of(row["budget_group"])
            for scope in ("run", today, *scopes):
                rest[scope] += nano
    short = {
        scope: used(scope) + nano
        for scope, nano in rest.items()
        if (limit := limits.of(scope)) is not None and used(scope) + nano > limit
    }
    by: dict[str, dict[str, int]] = {}
    for scope, nano in short.items():
        if isinstance(scope, Share):
            by.setdefault(scope.column, {})[scope.value] = nano
    return Limits(run=short.get("run"), day=short.get(today), by=by)
