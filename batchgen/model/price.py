"""Prices of images, where each was read, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import NamedTuple, Self

from batchgen.model.request import ImageRequest

NANO = 1_000_000_000
"""Nano-dollars in a dollar; the ledger counts money in these."""


class PriceKey(NamedTuple):
    """Everything about a purchase that decides the price of each of its images.

    Attributes:
        model: As it is sent; None if only the resolution is known.
        tier: Service tier that the request states; None if it states none.
        references: Number of images in the request.
        searches: Whether the model may search the web.
        quality: Quality that the request states; None if it states none.
        thinking: Level of thinking that the request states; likewise.
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
        """Return the price key of a request at a provider."""
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
    """Price of one image in US dollars, without tax, and where it applies.

    Attributes:
        expected: The usual cost of a success; used for estimates.
        ceiling: The maximum cost; used for reservations.
        page: Where the price was read, or who stated it.
        read_on: When it was read; None for a price that the user gave.
        lowest: The minimum cost. If it is None, the minimum is assumed to be as far
            below the expected cost as the ceiling is above it.
        resolution: For this one; None for all.
        models: For these model ids; empty for all.
        tiers: For these service tiers, None being the default; empty for all.
        qualities: For these qualities, None being the provider's choice; empty for all.
        thinking: For these levels of thinking, None being the level that the provider
            class sends by default; empty for all.
        is_agreed: Whether the user gave the price: then it overrides amounts that a
            reply states in units of the provider.
        per_reference: Added for each reference image.
        max_per_reference: The maximum that each may add beyond that.
        per_search: The maximum that searches add to a request: not every request
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
    max_per_reference: Decimal = Decimal(0)
    per_search: Decimal = Decimal(0)

    @property
    def floor(self) -> Decimal:
        """The minimum cost."""
        if self.lowest is not None:
            return self.lowest
        return max(Decimal(0), 2 * self.expected - self.ceiling)

    def holds_for(self, price_key: PriceKey) -> bool:
        """Tell whether this is the price for a key; an unknown model matches any."""
        return (
            self.resolution in (None, price_key.resolution)
            and (price_key.model is None or _matches(price_key.model, self.models))
            and _matches(price_key.tier, self.tiers)
            and _matches(price_key.quality, self.qualities)
            and _matches(price_key.thinking, self.thinking)
        )

    def of(self, price_key: PriceKey) -> Price:
        """Return the price including the request's references and searches."""
        extra = price_key.references * self.per_reference
        max_extra = extra + price_key.references * self.max_per_reference
        max_extra += self.per_search if price_key.searches else 0
        if not max_extra:
            return self
        return replace(
            self,
            expected=self.expected + extra,
            ceiling=self.ceiling + max_extra,
            lowest=self.floor + extra,
        )

    @classmethod
    def agreed(cls, usd: Decimal, page: str) -> Price:
        """Return the user's own price, which is both expected and ceiling."""
        return cls(expected=usd, ceiling=usd, page=page, is_agreed=True)


def _matches(value: str | None, values: frozenset[str] | frozenset[str | None]) -> bool:
    return not values or value in values


PriceList = Sequence[Price]
"""Prices of one provider; the first that holds for a key applies."""

RateList = Mapping[str, PriceList]
"""Prices of the units that replies count (`credit`); they differ by model."""


def by_resolution(prices: Mapping[str, Price]) -> tuple[Price, ...]:
    """Return prices by resolution as a list; `*` is for all other resolutions."""
    named = [
        replace(price, resolution=key) for key, price in prices.items() if key != "*"
    ]
    return (*named, prices["*"]) if "*" in prices else tuple(named)


def find_price(prices: PriceList, price_key: PriceKey) -> Price | None:
    """Return the price of one image, or None if no price is known."""
    for price in prices:
        if price.holds_for(price_key):
            return price.of(price_key)
    return None


class NanoPrice(NamedTuple):
    """A price in whole nano-dollars."""

    expected: int
    floor: int
    ceiling: int


class PriceBook:
    """The price lists of a run, by provider; each price is looked up once.

    Attributes:
        find: Returns what one image costs in dollars; None if unknown.
        find_nano: Returns the same in nano-dollars.
    """

    def __init__(self, lists: Mapping[str, PriceList]) -> None:
        self._lists = dict(lists)
        self.find = cache(self._find)
        self.find_nano = cache(self._find_nano)

    def ceiling(self, price_key: PriceKey) -> int | None:
        """Return the maximum cost of one image; None if unknown."""
        price = self.find_nano(price_key)
        return None if price is None else price.ceiling

    def _find(self, price_key: PriceKey) -> Price | None:
        return find_price(self._lists.get(price_key.provider, ()), price_key)

    def _find_nano(self, price_key: PriceKey) -> NanoPrice | None:
        price = self.find(price_key)
        if price is None:
            return None
        return NanoPrice(*map(to_nano, (price.expected, price.floor, price.ceiling)))


def rates_for(rates: RateList, price_key: PriceKey) -> dict[str, Decimal]:
    """Return the value of each unit in US dollars, as far as a rate is known."""
    prices = {unit: find_price(listed, price_key) for unit, listed in rates.items()}
    return {unit: price.expected for unit, price in prices.items() if price is not None}


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
        pretend: Whether the money is a rehearsal's; then the text says so.
    """
    usd = to_usd(amount) if isinstance(amount, int) else amount
    whole, _, fraction = f"{usd:f}".partition(".")
    text = f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
    return f"pretend {text}" if pretend else text
