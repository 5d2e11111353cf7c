"""The sandbox's own tariff: what its images cost. No provider's price list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one image costs in US dollars.

    Attributes:
        usd_per_credit: Where replies say what was charged in credits, and no document
            what one is worth.
        lowest_usd: What it costs at least; None for as far below the expected as the
            ceiling is above it.
        per_reference_usd: What each image that comes along adds at most.
        per_search_usd: What the searches of one request add at most.
    """

    expected_usd: Decimal
    ceiling_usd: Decimal
    usd_per_credit: Decimal | None = None
    lowest_usd: Decimal | None = None
    per_reference_usd: Decimal | None = None
    per_search_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialPrice:
    """A fare that holds for some requests alone; what is None holds for any."""

    resolution: str
    price: Price
    model: str | None = None
    quality: str | None = None
    thinking: str | None = None


PriceTable = Mapping[str, Price]
"""Fares by resolution."""


def to_nano(usd: Decimal) -> int:
    """Return whole nano-dollars."""
    return int(usd.scaleb(9).to_integral_exact())


def as_usd(nano: int) -> str:
    """Return nano-dollars as US dollars with all nine decimals."""
    return f"{Decimal(nano).scaleb(-9):.9f}"


def as_document(
    price_tables: Mapping[str, PriceTable],
    special_prices: Mapping[str, Sequence[SpecialPrice]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return all tariffs as they are published.

    Args:
        price_tables: By provider.
        special_prices: Likewise; where one holds, it stands above the tariff.
    """
    document: dict[str, Any] = {"name": "the sandbox's own tariff"}
    for provider, price_table in price_tables.items():
        document[provider] = {
            name: _published(price) for name, price in price_table.items()
        }
    document["special"] = {
        provider: [_special(price) for price in prices]
        for provider, prices in special_prices.items()
    }
    return document


def _published(price: Price) -> dict[str, str]:
    return {name: str(usd) for name, usd in asdict(price).items() if usd is not None}


def _special(special: SpecialPrice) -> dict[str, str]:
    conditions = {
        "resolution": special.resolution,
        "model": special.model,
        "quality": special.quality,
        "thinking": special.thinking,
    }
    stated = {name: it for name, it in conditions.items() if it is not None}
    return {**stated, **_published(special.price)}
