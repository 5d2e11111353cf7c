"""Read the prices that a sandbox publishes as a price list."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from batchgen.model import Price, PriceList


def prices_from(tariff: Mapping[str, Any], provider: str) -> PriceList:
    """Return the prices of one provider that a sandbox publishes."""
    special = (_price(entry) for entry in tariff.get("special", {}).get(provider, ()))
    usual = (
        _price({"resolution": resolution, **fare})
        for resolution, fare in tariff.get(provider, {}).items()
    )
    return (*special, *usual)


def _price(fare: Mapping[str, str]) -> Price:
    def usd(name: str) -> Decimal:
        return Decimal(fare.get(f"{name}_usd", "0"))

    def only(name: str) -> frozenset[str]:
        return frozenset({fare[name]} if name in fare else ())

    return Price(
        expected=usd("expected"),
        ceiling=usd("ceiling"),
        page="the sandbox's own tariff",
        lowest=usd("lowest") if "lowest_usd" in fare else None,
        resolution=fare["resolution"],
        models=only("model"),
        qualities=frozenset(only("quality")),
        thinking=frozenset(only("thinking")),
        max_per_reference=usd("per_reference"),
        per_search=usd("per_search"),
    )
