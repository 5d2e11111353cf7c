"""The sandbox's own prices of images. They are not any provider's price list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one image in US dollars.

    Attributes:
        usd_per_credit: If replies state charges in credits, and no document states the
            value of a credit.
        lowest_usd: The minimum. If it is None, the minimum is as far below the expected
            price as the ceiling is above it.
        per_reference_usd: Maximum that each reference image adds.
        per_search_usd: Maximum that the searches of one request add.
    """

    expected_usd: Decimal
    ceiling_usd: Decimal
    usd_per_credit: Decimal | None = None
    lowest_usd: Decimal | None = None
    per_reference_usd: Decimal | None = None
    per_search_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialPrice:
    """A price for some requests only; an attribute of None matches any request."""

    resolution: str
    price: Price
    model: str | None = None
    quality: str | None = None
    thinking: str | None = None


PriceTable = Mapping[str, Price]
"""Prices by resolution."""


def to_nano(usd: Decimal) -> int:
    """Return whole nano-dollars."""
    return int(usd.scaleb(9).to_integral_exact())


def as_usd(nano: int) -> str:
    """Return nano-dollars as US dollars with all nine decimals."""
    return f"{Decimal(nano).scaleb(-9):.9f}"


def as_document(
    prices: Mapping[str, tuple[PriceTable, Sequence[SpecialPrice]]],
) -> dict[str, Any]:
    """Return all prices, by provider, as the sandbox publishes them.

    A special price replaces the one of the price table where it matches.
    """
    document: dict[str, Any] = {"name": "the sandbox's own tariff", "special": {}}
    for provider, (price_table, special_prices) in prices.items():
        document[provider] = {
            name: _as_texts(price) for name, price in price_table.items()
        }
        if special_prices:
            document["special"][provider] = [
                {**_as_texts(special), **_as_texts(special.price)}
                for special in special_prices
            ]
    return document


def _as_texts(record: Price | SpecialPrice) -> dict[str, str]:
    """Return all attributes that are not None, but the price of a special one."""
    values = asdict(record).items()
    return {
        name: str(value)
        for name, value in values
        if value is not None and name != "price"
    }
