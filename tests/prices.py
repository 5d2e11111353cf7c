"""The price of a size, where tests need one out of a list."""

from __future__ import annotations

from batchgen.model import Price, PriceList


def at(prices: PriceList, resolution: str) -> Price:
    """Return the price of a list at a resolution."""
    return next(price for price in prices if price.resolution in (resolution, None))
