"""Rows, money and numbers in the words that commands share."""

from __future__ import annotations

from batchgen.ledger import Totals
from batchgen.model import Status, dollars

NO_MONEY = "rehearsal: no money was spent"
"""Said wherever a rehearsal's money is shown."""


def money_lines(totals: Totals) -> list[str]:
    """Return the folder's money in words, a rehearsal's marked as pretend."""
    spent, retired = dollars(totals.spent), dollars(totals.retired)
    lines = [f"spent {spent}"]
    if totals.rehearsed:
        lines = [f"pretend cost {spent} ({NO_MONEY})"]
    if totals.unpriced:
        bought = counted(totals.unpriced, "purchase")
        lines.append(
            f"{bought} without a known price: the cost is null in the table (give one "
            "with --price)"
        )
    if totals.retired:
        paid = "pretend cost of" if totals.rehearsed else "paid earlier for"
        lines.append(f"{paid} rows that you changed or removed: {retired}")
    if totals.at_risk_attempts or totals.at_risk:
        lines.append(_risk_line(totals))
    return lines


def _risk_line(totals: Totals) -> str:
    """Say what may have been charged beyond what is known, and why nobody knows."""
    return may_have_been_charged(
        dollars(totals.at_risk, pretend=totals.rehearsed),
        totals.at_risk_attempts,
        unpriced=totals.unpriced_risk,
    )


def may_have_been_charged(amount: str, requests: int, *, unpriced: int = 0) -> str:
    """Say what may have been charged beyond what is known, and why nobody knows.

    Args:
        amount: At most so much, as it is shown.
        requests: Requests whose outcome nobody knows; 0 where all were answered and
            no reply states its price.
        unpriced: Those of them that have no known price.
    """
    more = f"up to {amount} more"
    if unpriced:
        more += f", and {counted(unpriced, 'request')} without a known price,"
    reason = "no reply states what the images cost"
    if requests:
        reason = f"{counted(requests, 'request')} got no answer that tells"
    return f"{more} may have been charged: {reason}"


def rows_line(totals: Totals) -> str:
    """Return the rows by status in words."""
    count = sum(totals.rows.values())
    parts = [f"{totals.rows[it]} {it}" for it in Status if totals.rows.get(it)]
    return f"{counted(count, 'row')}: {', '.join(parts) or 'none'}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is due."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
