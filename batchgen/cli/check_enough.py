"""Whether disk, budgets and balances are enough, in words."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING

from batchgen.budget import ColumnValue
from batchgen.checks.findings import Disk, Findings, Forecast, Limit
from batchgen.model import Balance, Job, dollars

if TYPE_CHECKING:
    from batchgen.billing.balances import Account

SHARES_SHOWN = 5
WIDTH = 100
_UNITS = ("MB", "GB", "TB")


def folded(text: str) -> list[str]:
    """Return a line as lines that fit, all but the first indented."""
    return wrap(
        text,
        WIDTH,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def disk_line(disk: Disk) -> str:
    """Say what the images take of what is free."""
    size = "sizes assumed" if disk.assumed else "by the images that are there"
    words = "" if disk.is_enough else ": THIS IS NOT ENOUGH"
    return (
        f"disk: about {_size(disk.needed_bytes)} ({size}), "
        f"{_size(disk.free_bytes)} free{words}"
    )


def _size(count_bytes: int) -> str:
    amount = count_bytes / 1e6
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{amount:,.0f} {unit}" if amount >= 100 else f"{amount:.3g} {unit}"


def budget_lines(job: Job, findings: Findings) -> Iterator[str]:
    """Yield whether each budget is enough; of columns' values those that are not."""
    full = []
    for it in findings.limits:
        if isinstance(it.scope, ColumnValue):
            full += [] if it.is_enough else [it]
        else:
            name = "the budget" if it.scope == "run" else "the budget of a day"
            yield from folded(f"{name}, {_used(it)}, {_enough(it)}{_days(job, it)}")
    column_values = sum(isinstance(it.scope, ColumnValue) for it in findings.limits)
    if column_values:
        verb = "is" if column_values - len(full) == 1 else "are"
        yield (
            f"budgets by column: {column_values - len(full)} of {column_values} "
            f"{verb} enough"
            + (" for what has a known price" if findings.forecast.unpriced else "")
            + (f", {'these are' if len(full) > 1 else 'this is'} NOT:" if full else "")
        )
    for it in full[:SHARES_SHOWN]:
        cost = dollars(it.cost.expected)
        needed = dollars(it.used + it.cost.highest)
        yield f"    {it.scope}: {_used(it)}, and {cost} to come: needs {needed}"
    if len(full) > SHARES_SHOWN:
        yield f"    and {len(full) - SHARES_SHOWN} more"
    if findings.limits and findings.forecast.unpriced:
        yield "a run with a budget refuses to start while a price is unknown"


def _days(job: Job, it: Limit) -> str:
    """Say what comes of a day's budget that is too small."""
    if it.scope == "run" or it.is_enough:
        return ""
    if job.on_day_full == "stop" or not it.limit:
        return "; the run stops then"
    left_over = it.cost.expected - max(0, it.limit - it.used)
    days = 1 + -(-left_over // it.limit)
    return f"; the run goes on after midnight UTC, for about {days} days"


def _used(it: Limit) -> str:
    so_far = f" with {dollars(it.used)} used" if it.used else ""
    return f"{dollars(it.limit)}{so_far}"


def _enough(it: Limit) -> str:
    if it.unpriced and it.is_enough:
        return "is enough for what has a known price"
    if it.is_enough_at_most:
        return "is enough"
    if it.is_enough:
        return (
            "is enough for the expected cost, not for the highest, which needs "
            f"{dollars(it.used + it.cost.highest)}"
        )
    needed = dollars(it.used + it.cost.highest)
    return f"IS NOT ENOUGH: {dollars(it.cost.expected)} is to come; it needs {needed}"


def account_line(account: Account, forecast: Forecast) -> str:
    """Say what is left at a provider, and whether it is enough."""
    name = f"balance at {account.provider}"
    match account.balance:
        case None:
            return f"{name}: not known: {account.problem}"
        case Balance(amount=None):
            return f"{name}: without a limit"
        case Balance(amount=Decimal() as amount, unit=unit) if account.nano is None:
            return f"{name}: {amount:,f} {unit}s, whose worth in dollars is not known"
    return f"{name}: {dollars(account.nano or 0)}, {_covered(account, forecast)}"


def _covered(account: Account, forecast: Forecast) -> str:
    balance, needed = account.nano or 0, forecast.cost(account.provider)
    groups = [it for it in forecast.groups if it.provider == account.provider]
    if balance < needed.expected:
        return f"IS NOT ENOUGH for {dollars(needed.expected)}"
    if any(it.price is None for it in groups):
        return "is enough for what has a known price"
    if balance < needed.highest:
        return "is enough for the expected cost, not for the highest"
    return "is enough"
