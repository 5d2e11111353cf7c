"""Lines of `check` on whether disk, budgets and balances are enough."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING

from batchgen.budget import ColumnValue
from batchgen.checks.findings import Disk, Findings, Forecast, Limit
from batchgen.cli.formatting import either
from batchgen.model import Balance, Job, dollars

if TYPE_CHECKING:
    from batchgen.billing.balances import Account

VALUES_SHOWN = 5
WIDTH = 100
_UNITS = ("MB", "GB", "TB")


def folded(text: str) -> list[str]:
    """Return a text as lines of limited width, all but the first indented."""
    return wrap(
        text,
        WIDTH,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def disk_line(disk: Disk) -> str:
    """Return the line on the room that the images need, and the free room."""
    size = "sizes assumed" if disk.assumed else "by the images that are there"
    warning = "" if disk.is_enough else ": THIS IS NOT ENOUGH"
    return (
        f"disk: about {_size(disk.needed_bytes)} ({size}), "
        f"{_size(disk.free_bytes)} free{warning}"
    )


def _size(count_bytes: int) -> str:
    amount = count_bytes / 1e6
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{amount:,.0f} {unit}" if amount >= 100 else f"{amount:.3g} {unit}"


def budget_lines(job: Job, findings: Findings) -> Iterator[str]:
    """Yield whether each budget is enough; of those by column the ones that are not."""
    full = []
    for limit in findings.limits:
        if isinstance(limit.scope, ColumnValue):
            full += [] if limit.is_enough else [limit]
        else:
            name = "the budget" if limit.scope == "run" else "the budget of a day"
            yield from folded(
                f"{name}, {_limit_text(limit)}, {_verdict(limit)}{_days(job, limit)}"
            )
    column_values = sum(
        isinstance(limit.scope, ColumnValue) for limit in findings.limits
    )
    if column_values:
        enough = column_values - len(full)
        yield (
            f"budgets by column: {enough} of {column_values} "
            f"{either(enough, 'is', 'are')} enough"
            + (" for what has a known price" if findings.forecast.unpriced else "")
            + (f", {'these are' if len(full) > 1 else 'this is'} NOT:" if full else "")
        )
    for limit in full[:VALUES_SHOWN]:
        cost = dollars(limit.cost.expected)
        needed = dollars(limit.committed + limit.cost.highest)
        level = f"{limit.scope}: {_limit_text(limit)}"
        yield f"    {level}, and {cost} to come: needs {needed}"
    if len(full) > VALUES_SHOWN:
        yield f"    and {len(full) - VALUES_SHOWN} more"
    if findings.limits and findings.forecast.unpriced:
        yield "a run with a budget refuses to start while a price is unknown"


def _days(job: Job, limit: Limit) -> str:
    """Return what happens if the budget of a day is too small."""
    if limit.scope == "run" or limit.is_enough:
        return ""
    if job.on_day_full == "stop" or not limit.limit:
        return "; the run stops then"
    left_over = limit.cost.expected - max(0, limit.limit - limit.committed)
    days = 1 + -(-left_over // limit.limit)
    return f"; the run goes on after midnight UTC, for about {days} days"


def _limit_text(limit: Limit) -> str:
    so_far = f" with {dollars(limit.committed)} used" if limit.committed else ""
    return f"{dollars(limit.limit)}{so_far}"


def _verdict(limit: Limit) -> str:
    if limit.unpriced and limit.is_enough:
        return "is enough for what has a known price"
    if limit.is_enough_at_most:
        return "is enough"
    if limit.is_enough:
        return (
            "is enough for the expected cost, not for the highest, which needs "
            f"{dollars(limit.committed + limit.cost.highest)}"
        )
    needed = dollars(limit.committed + limit.cost.highest)
    return (
        f"IS NOT ENOUGH: {dollars(limit.cost.expected)} is to come; it needs {needed}"
    )


def account_line(account: Account, forecast: Forecast) -> str:
    """Return the line on the balance at a provider, and whether it is enough."""
    name = f"balance at {account.provider}"
    match account.balance:
        case None:
            return f"{name}: not known: {account.problem}"
        case Balance(amount=None):
            return f"{name}: without a limit"
        case Balance(amount=Decimal() as amount, unit=unit) if account.nano is None:
            return f"{name}: {amount:,f} {unit}s, whose worth in dollars is not known"
    return (
        f"{name}: {dollars(account.nano or 0)}, {_balance_verdict(account, forecast)}"
    )


def _balance_verdict(account: Account, forecast: Forecast) -> str:
    balance, needed = account.nano or 0, forecast.cost(account.provider)
    groups = [group for group in forecast.groups if group.provider == account.provider]
    if balance < needed.expected:
        return f"IS NOT ENOUGH for {dollars(needed.expected)}"
    if any(group.price is None for group in groups):
        return "is enough for what has a known price"
    if balance < needed.highest:
        return "is enough for the expected cost, not for the highest"
    return "is enough"
