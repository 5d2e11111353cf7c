"""Rows, money and numbers in the words that commands share."""

from __future__ import annotations

from batchgen.ledger import Totals
from batchgen.model import Status, dollars

NO_MONEY = "rehearsal: no money was spent"
"""Said wherever a rehearsal's money is shown."""


def money_lines(totals: Totals, *, is_running: bool = False) -> list[str]:
    """Return the folder's money in words, a rehearsal's marked as pretend.

    Args:
        totals: Of the folder.
        is_running: Whether a run works on it, so that answers are still to come.
    """
    spent, superseded = dollars(totals.spent), dollars(totals.superseded)
    lines = [f"spent {spent}"]
    if totals.rehearsed:
        lines = [f"pretend cost {spent} ({NO_MONEY})"]
    if totals.unpriced:
        bought = counted(totals.unpriced, "purchase")
        lines.append(
            f"{bought} without a known price: the cost is null in the table (give one "
            "with --price)"
        )
    if totals.superseded:
        paid = "pretend cost of" if totals.rehearsed else "paid earlier for"
        lines.append(f"{paid} rows that you changed or removed: {superseded}")
    if totals.unknown_attempts or totals.unknown_at_risk:
        lines.append(_risk_line(totals, is_running=is_running))
    return [*lines, *_task_lines(totals, is_running=is_running)]


def _risk_line(totals: Totals, *, is_running: bool) -> str:
    """Say what may have been charged beyond what is known, and why nobody knows."""
    return may_have_been_charged(
        dollars(totals.unknown_at_risk, pretend=totals.rehearsed),
        totals.unknown_attempts,
        unpriced=totals.unpriced_risk - totals.unpriced_tasks,
        is_open=is_running,
    )


def may_have_been_charged(
    amount: str, requests: int, *, unpriced: int = 0, is_open: bool = False
) -> str:
    """Say what may have been charged beyond what is known, and why nobody knows.

    Args:
        amount: At most so much, as it is shown.
        requests: Requests whose outcome nobody knows; 0 where all were answered and
            no reply states its price.
        unpriced: Those of them that have no known price.
        is_open: Whether answers to some of them may still come.
    """
    more = f"up to {amount} more"
    if unpriced:
        more += f", and {counted(unpriced, 'request')} without a known price,"
    reason = "no reply states what the images cost"
    if requests:
        yet = "has" if requests == 1 else "have"
        reason = f"{counted(requests, 'request')} " + (
            f"{yet} no final answer yet" if is_open else "got no answer that tells"
        )
    return f"{more} may have been charged: {reason}"


def _task_lines(totals: Totals, *, is_running: bool) -> list[str]:
    """Say which purchases are at risk that a later run asks for, and buys no more."""
    lines = []
    if totals.accepted:
        made = still_being_made(totals.accepted)
        lines.append(made.partition(";")[0] if is_running else made)
    if totals.overdue:
        tasks = counted(totals.overdue, "accepted task")
        verb = "has" if totals.overdue == 1 else "have"
        them = "it" if totals.overdue == 1 else "them"
        lines.append(f"{tasks} {verb} not come; each run asks for {them} again")
    if lines:
        price = dollars(totals.tasks_at_risk, pretend=totals.rehearsed)
        if totals.unpriced_tasks:
            price += f" and {totals.unpriced_tasks} without a price"
        lines[-1] += f" (up to {price} for {'both' if len(lines) > 1 else 'that'})"
    return lines


def still_being_made(tasks: int) -> str:
    """Say that what was accepted is not lost."""
    if tasks == 1:
        return "1 accepted task is still being made; the next run fetches it"
    return f"{tasks} accepted tasks are still being made; the next run fetches them"


def rows_line(totals: Totals) -> str:
    """Return the rows by status in words."""
    count = sum(totals.rows.values())
    parts = [
        f"{totals.rows[value]} {value}" for value in Status if totals.rows.get(value)
    ]
    return f"{counted(count, 'row')}: {', '.join(parts) or 'none'}"


def counted_rows(rows: int) -> str:
    """Return a number of rows that may be large."""
    return f"{rows:,} {'row' if rows == 1 else 'rows'}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is due."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
