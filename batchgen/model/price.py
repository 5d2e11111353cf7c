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
        quality: Of the image, as the request states it; None where it states none.
        thinking: How much the model is to think, as the request states it; likewise.
    """

    provider: str
    resolution: str | None
    model: str | None = None
    tier: str | None = None
    references: int = 0
    searches: bool = False
    quality: str | None = None
    thinking: str | None = None

    @classmethod
    def of(
        cls, provider: str, request: ImageRequest, model: str, resolution: str
    ) -> Self:
        """Return the sale of a request at a provider."""
        stated = request.options
        tier = stated.get("service_tier")
        if stated.get("official_fallback"):
            tier = "official"
        quality, thinking = stated.get("quality"), stated.get("thinking_level")
        return cls(
            provider=provider,
            resolution=resolution,
            model=model,
            tier=None if tier in (None, "default") else str(tier),
            references=len(request.references),
            searches=bool(stated.get("web_search") or stated.get("image_search")),
            quality=None if quality in (None, "auto") else str(quality),
            thinking=None if thinking is None else str(thinking),
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
        qualities: That it holds for, None being what the provider chooses; empty for
            all.
        thinking: Levels of thinking that it holds for, None being the one that the
            provider class sends where none is stated; empty for all.
        is_agreed: Whether the user gave it: then it stands above what a reply counts in
            units of the provider's own.
        per_reference: What each reference image adds.
        most_per_reference: What each may add beyond that.
        per_search: What the searches of a request add at most: not each request
            searches, and one that does may send several queries.
    """

    expected: Decimal
    ceiling: Decimal
    page: str
    read_on: date | None = None
    lowest: Decimal | None = None
    resolution: str | None = None
    models: frozenset[str] = frozenset()
    tiers: frozenset[str | None] = frozenset()
    qualities: frozenset[str | None] = frozenset()
    thinking: frozenset[str | None] = frozenset()
    is_agreed: bool = False
    per_reference: Decimal = Decimal(0)
    most_per_reference: Decimal = Decimal(0)
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
            and (not self.qualities or sale.quality in self.qualities)
            and (not self.thinking or sale.thinking in self.thinking)
        )

    def of(self, sale: Sale) -> Price:
        """Return the price with what a sale's references and searches add."""
        more = sale.references * self.per_reference
        most = more + sale.references * self.most_per_reference
        most += self.per_search if sale.searches else 0
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
        """Return the user's own price, which is both expected and ceiling."""
        return cls(expected=usd, ceiling=usd, page=page, is_agreed=True)


PriceList = Sequence[Price]
"""Prices of one provider: the first that holds for a sale is its price."""

RateList = Mapping[str, PriceList]
"""Prices of one unit that replies count (`credit`), by unit: they differ by model."""


def by_resolution(prices: Mapping[str, Price]) -> tuple[Price, ...]:
    """Return prices by resolution as a list; `*` holds for all that are not named."""
    named = [
        replace(price, resolution=key) for key, price in prices.items() if key != "*"
    ]
    return (*named, prices["*"]) if "*" in prices else tuple(named)


def find_price(prices: PriceList, sale: Sale) -> Price | None:
    """Return the price of one image of a sale, or None where it is unknown."""
    found = next((price for price in prices if price.holds_for(sale)), None)
    return None if found is None else found.of(sale)


def rates_for(rates: RateList, sale: Sale) -> dict[str, Decimal]:
    """Return what each unit is worth in US dollars, as far as a sale has a rate."""
    listed = {unit: find_price(prices, sale) for unit, prices in rates.items()}
    return {unit: price.expected for unit, price in listed.items() if price is not None}


def to_nano(usd: Decimal) -> int:
    """Return US dollars as whole nano-dollars, halves rounded to even."""
    return int((usd * NANO).to_integral_value())


def to_usd(nano: int) -> Decimal:
    """Return nano-dollars as US dollars, exactly."""
    return Decimal(nano).scaleb(-9)


def dollars(amount: int | Decimal, *, pretend: bool = False) -> str:
    """Write nano-dollars, or US dollars, exactly, with at least two decimals.

    Args:
        amount: Nano-dollars as an int, US dollars as a Decimal.
        pretend: Whether a rehearsal charged it; then the text says so.
    """
    usd = to_usd(amount) if isinstance(amount, int) else amount
    whole, _, fraction = f"{usd:f}".partition(".")
    text = f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
    return f"pretend {text}" if pretend else text
