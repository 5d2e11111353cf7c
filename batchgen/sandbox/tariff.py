"""The sandbox's own tariff: what its images cost. No provider's price list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fare:
    """What one image costs in US dollars.

    Attributes:
        usd_per_credit: Where replies say what was charged in credits, and no document
            what one is worth.
    """

    expected_usd: Decimal
    ceiling_usd: Decimal
    usd_per_credit: Decimal | None = None


Tariff = Mapping[str, Fare]
"""Fares by resolution."""


def to_nano(usd: Decimal) -> int:
    """Return whole nano-dollars."""
    return int(usd.scaleb(9).to_integral_exact())


def as_usd(nano: int) -> str:
    """Return nano-dollars as US dollars with all nine decimals."""
    return f"{Decimal(nano).scaleb(-9):.9f}"


def as_document(tariffs: Mapping[str, Tariff]) -> dict[str, Any]:
    """Return all tariffs as they are published."""
    document: dict[str, Any] = {"name": "the sandbox's own tariff"}
    for provider, tariff in tariffs.items():
        document[provider] = {
            resolution: {
                name: str(usd) for name, usd in asdict(fare).items() if usd is not None
            }
            for resolution, fare in tariff.items()
        }
    return document
