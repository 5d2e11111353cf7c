"""Read amounts of US dollars, and say how to write one that cannot be read."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

MAX_USD = 999_999_999
"""Largest amount: the result table holds nine digits before the point."""

_ONE_SEPARATOR = re.compile(r"[-+]?\d+[.,]\d+")
_DOLLARS = re.compile(r"(?i)\s*(us)?\s*(\$|usd|dollars?|us-?dollars?)\s*")


def read_amount(text: str) -> Decimal:
    """Read text that spells an amount.

    Raises:
        ValueError: it spells none; the message says how to write one.
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
    """Say how to write an amount."""
    plain = _DOLLARS.sub("", text.strip()).strip()
    digits = _with_a_point(plain)
    return "write a number such as 5 or 5.00" if digits is None else f"write {digits}"


def _with_a_point(text: str) -> str | None:
    """Return an amount with a point before the cents and nothing between thousands.

    None where that would be a guess: 5.00.00 does not mean 50000.
    """
    if re.fullmatch(r"[-+]?\d+", text):
        return text
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", text):
        return text.replace(",", "")
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}(\.\d{3})+,\d+", text) or re.fullmatch(
        r"[-+]?[1-9]\d{0,2}(\.\d{3}){2,}", text
    ):
        return text.replace(".", "").replace(",", ".")
    return re.sub("[.,]", ".", text) if re.fullmatch(_ONE_SEPARATOR, text) else None
