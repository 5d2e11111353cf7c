"""What an image is said to cost, where that was read, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

NANO = 1_000_000_000
"""Nano-dollars in a dollar; the ledger counts money in these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Price of one image in US dollars, without tax.

    Attributes:
        expected: What a success costs as a rule; used for estimates.
        ceiling: What it may cost at most; used for reservations.
        page: Where it was read, or whose word it is.
        read_on: When it was read; None for a price that the user gave.
    """

    expected: Decimal
    ceiling: Decimal
    page: str
    read_on: date | None = None

    @classmethod
    def agreed(cls, usd: Decimal, page: str) -> Price:
        """Return a price that is both expected and ceiling."""
        return cls(expected=usd, ceiling=usd, page=page)


PriceList = Mapping[str, Price]
"""Prices by resolution; the key `*` holds for every resolution not named."""


def find_price(prices: PriceList, resolution: str) -> Price | None:
    """Return the price at a resolution, or None where it is unknown."""
    return prices.get(resolution) or prices.get("*")


def to_nano(usd: Decimal) -> int:
    """Return US dollars as whole nano-dollars, halves rounded to even."""
    return int((usd * NANO).to_integral_value())


def to_usd(nano: int) -> Decimal:
    """Return nano-dollars as US dollars, exactly."""
    return Decimal(nano).scaleb(-9)


def dollars(amount: int | Decimal) -> str:
    """Write nano-dollars, or US dollars, exactly, with at least two decimals."""
    usd = to_usd(amount) if isinstance(amount, int) else amount
    whole, _, fraction = f"{usd:f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
