"""What an image is said to cost, where that was read, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Self

from batchgen.model.request import ImageRequest

NANO = 1_000_000_000
"""Nano-dollars in a dollar; the ledger counts money in these."""


class Sale(NamedTuple):
    """What of a purchase decides its price; that is the same for each image of it.

    Attributes:
        model: As it is sent; None where only the resolution is known.
        tier: Of service, as the request states it; None where it states none.
        references: How many images go with the request.
        searches: Whether the model may search the web.
    """

    provider: str
    resolution: str | None
    model: str | None = None
    tier: str | None = None
    references: int = 0
    searches: bool = False

    @classmethod
    def of(
        cls, provider: str, request: ImageRequest, model: str, resolution: str
    ) -> Self:
        """Return the sale of a request at a provider."""
        stated = request.options
        tier = stated.get("service_tier")
        if stated.get("official_fallback"):
            tier = "official"
        return cls(
            provider=provider,
            resolution=resolution,
            model=model,
            tier=None if tier in (None, "default") else str(tier),
            references=len(request.references),
            searches=bool(stated.get("web_search") or stated.get("image_search")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Price of one image in US dollars, without tax, and what it holds for.

    Attributes:
        expected: What a success costs as a rule; used for estimates.
        ceiling: What it may cost at most; used for reservations.
        page: Where it was read, or whose word it is.
        read_on: When it was read; None for a price that the user gave.
        lowest: What it may cost at least; None for as far below the expected as the
            ceiling is above it [assumed].
        resolution: That it holds for; None for all.
        models: Ids that it holds for; empty for all.
        tiers: Of service that it holds for, None being the usual one; empty for all.
        per_reference: What each reference image adds.
        per_search: What a search adds at most: not each request searches.
    """

    expected: Decimal
    ceiling: Decimal
    page: str
    read_on: date | None = None
    lowest: Decimal | None = None
    resolution: str | None = None
    models: frozenset[str] = frozenset()
    tiers: frozenset[str | None] = frozenset()
    per_reference: Decimal = Decimal(0)
    per_search: Decimal = Decimal(0)

    @property
    def floor(self) -> Decimal:
        """What it may cost at least."""
        if self.lowest is not None:
            return self.lowest
        return max(Decimal(0), 2 * self.expected - self.ceiling)

    def holds_for(self, sale: Sale) -> bool:
        """Say whether it is the price of a sale; an unknown model is taken for any."""
        return (
            self.resolution in (None, sale.resolution)
            and (not self.models or sale.model is None or sale.model in self.models)
            and (not self.tiers or sale.tier in self.tiers)
        )

    def of(self, sale: Sale) -> Price:
        """Return the price with what a sale's references and searches add."""
        more = sale.references * self.per_reference
        most = more + (self.per_search if sale.searches else 0)
        if not most:
            return self
        return replace(
            self,
            expected=self.expected + more,
            ceiling=self.ceiling + most,
            lowest=self.floor + more,
        )

    @classmethod
    def agreed(cls, usd: Decimal, page: str) -> Price:
        """Return a price that is both expected and ceiling."""
        return cls(expected=usd, ceiling=usd, page=page)


PriceList = Sequence[Price]
"""Prices of one provider: the first that holds for a sale is its price."""


def by_resolution(prices: Mapping[str, Price]) -> tuple[Price, ...]:
    """Return prices by resolution as a list; `*` holds for all that are not named."""
    named = [replace(it, resolution=key) for key, it in prices.items() if key != "*"]
    return (*named, prices["*"]) if "*" in prices else tuple(named)


def find_price(prices: PriceList, sale: Sale) -> Price | None:
    """Return the price of one image of a sale, or None where it is unknown."""
    found = next((it for it in prices if it.holds_for(sale)), None)
    return None if found is None else found.of(sale)


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
