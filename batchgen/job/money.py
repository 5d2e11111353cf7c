"""Read amounts of US dollars, and say how to write what is none."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

MOST_USD = 999_999_999
"""Most that an amount may be: the table holds nine digits before the point."""

_AMOUNT = re.compile(r"[-+]?\d+([.,]\d+)*")
_DOLLARS = re.compile(r"(?i)\s*(us)?\s*(\$|usd|dollars?|us-?dollars?)\s*")


def read_amount(text: str) -> Decimal:
    """Read text that spells an amount.

    Raises:
        ValueError: it spells none; the message says how it is written.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or "_" in text:
        raise ValueError(
            f"{text[:60]!r} is not an amount in US dollars: {amount_hint(text)}"
        )
    return amount


def amount_hint(text: str) -> str:
    """Return how an amount is to be written."""
    plain = _DOLLARS.sub("", text.strip()).strip()
    if _AMOUNT.fullmatch(plain):
        return f"write {_with_a_point(plain)}"
    return "write a number such as 5 or 5.00"


def _with_a_point(digits: str) -> str:
    """Return digits with a point before the cents, and none between thousands."""
    signs = re.findall("[.,]", digits)
    if not signs:
        return digits
    whole, _, rest = digits.rpartition(signs[-1])
    # One sign with three digits behind it may part thousands; two of a kind do.
    is_thousands = len(rest) == 3 if len(signs) == 1 else signs[-1] in signs[:-1]
    plain = re.sub("[.,]", "", whole)
    return f"{plain}{rest}" if is_thousands else f"{plain}.{rest}"
