"""Rows, money and numbers in the words that commands share."""

from __future__ import annotations

from batchgen.ledger import Totals
from batchgen.model import Status, dollars


def money_lines(totals: Totals) -> list[str]:
    """Return the folder's money in words."""
    lines = [f"spent {dollars(totals.spent)}"]
    if totals.unpriced:
        bought = counted(totals.unpriced, "purchase")
        lines.append(
            f"{bought} without a known price: the cost is null in the table (give one "
            "with --price)"
        )
    if totals.retired:
        lines.append(f"retired {dollars(totals.retired)} (rows or versions dropped)")
    if totals.unknown_attempts:
        risk = dollars(totals.unknown_at_risk)
        if unpriced := totals.unpriced_risk - totals.unpriced_tasks:
            risk += f" and {unpriced} without a price"
        unknown = counted(totals.unknown_attempts, "outcome")
        lines.append(f"at risk {risk}: {unknown} unknown")
    elif totals.unknown_at_risk:
        lines.append(
            f"at risk {dollars(totals.unknown_at_risk)}: no reply states what the "
            "images cost; it may be this much more"
        )
    return [*lines, *_task_lines(totals)]


def _task_lines(totals: Totals) -> list[str]:
    """Say which purchases are at risk that a later run asks for, and buys no more."""
    lines = []
    if totals.accepted:
        lines.append(still_being_made(totals.accepted))
    if totals.overdue:
        tasks = counted(totals.overdue, "accepted task")
        verb = "has" if totals.overdue == 1 else "have"
        them = "it" if totals.overdue == 1 else "them"
        lines.append(f"{tasks} {verb} not come; each run asks for {them} again")
    if lines:
        price = dollars(totals.tasks_at_risk)
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
    parts = [f"{totals.rows[it]} {it}" for it in Status if totals.rows.get(it)]
    return f"{counted(count, 'row')}: {', '.join(parts) or 'none'}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is due."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
