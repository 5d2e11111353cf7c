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
    if totals.at_risk_attempts:
        risk = dollars(totals.at_risk)
        if totals.unpriced_risk:
            risk += f" and {totals.unpriced_risk} without a price"
        unknown = counted(totals.at_risk_attempts, "outcome")
        lines.append(f"at risk {risk}: {unknown} unknown")
    elif totals.at_risk:
        lines.append(
            f"at risk {dollars(totals.at_risk)}: no reply states what the images cost; "
            "it may be this much more"
        )
    return lines


def rows_line(totals: Totals) -> str:
    """Return the rows by status in words."""
    count = sum(totals.rows.values())
    parts = [f"{totals.rows[it]} {it}" for it in Status if totals.rows.get(it)]
    return f"{counted(count, 'row')}: {', '.join(parts) or 'none'}"


def counted_rows(rows: int) -> str:
    """Return a number of rows that may be large."""
    return f"{rows:,} {'row' if rows == 1 else 'rows'}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is due."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
