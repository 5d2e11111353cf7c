"""The sizes and qualities of OpenAI's image models, and their prices.

Sources: OpenAI's model page as xairouter.com quotes it, for prices by token and sizes;
estimates of 1024x1024 by quality at robotsatlas.com; read 2026-11-30. How many tokens
an image has at other sizes and qualities, and a picture that is sent, is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType

from batchgen.sandbox.price_table import Price, SpecialPrice

MODELS = ("gpt-image-2", "gpt-image-1.5")
"""Requests for other models get a 404, also for models that OpenAI had earlier."""

QUALITIES: Mapping[str, int] = MappingProxyType(
    {"low": 200, "medium": 1_767, "high": 7_033, "xhigh": 9_000, "max": 12_000}
)
"""Tokens of an image of 1024x1024; `auto` is `medium` here."""

INPUT_NANO, IMAGE_INPUT_NANO, OUTPUT_NANO = 5_000, 8_000, 30_000
REFERENCE_TOKENS = 388
MAX_TEXT_TOKENS = 4_000
_SQUARE = 1024 * 1024
_SIDES = {"1K": 1024, "2K": 2048}
# Pixels from which an image counts as this resolution.
_RESOLUTIONS = ((6_000_000, "4K"), (2_500_000, "2K"))


def resolution_of(size: tuple[int, int]) -> str:
    """Return the resolution of a size in pixels."""
    pixels = size[0] * size[1]
    return next((name for minimum, name in _RESOLUTIONS if pixels >= minimum), "1K")


def output_tokens(size: tuple[int, int], quality: str) -> int:
    """Return the tokens of one image."""
    return QUALITIES[quality] * size[0] * size[1] // _SQUARE


def size_problem(size: tuple[int, int]) -> str | None:
    """Return why a size is not allowed; None if it is."""
    shorter, longer = sorted(size)
    if longer > 3840:
        return "the longest edge must be at most 3840px"
    if longer > 3 * shorter:
        return "the ratio of the edges must not exceed 3:1"
    if shorter % 16 or longer % 16:
        return "both edges must be multiples of 16px"
    if not 655_360 <= shorter * longer <= 8_294_400:
        return "the total pixels must be from 655,360 to 8,294,400"
    return None


def _price(resolution: str, quality: str) -> Price:
    side = _SIDES[resolution]
    nano = output_tokens((side, side), quality) * OUTPUT_NANO
    usd = Decimal(nano).scaleb(-9)
    text = Decimal(MAX_TEXT_TOKENS * INPUT_NANO).scaleb(-9)
    return Price(
        expected_usd=usd,
        # Some ratios have a few pixels more than a square, others fewer.
        ceiling_usd=usd * Decimal("1.1") + text,
        lowest_usd=usd / 2,
        per_reference_usd=Decimal(REFERENCE_TOKENS * IMAGE_INPUT_NANO).scaleb(-9),
    )


def usual_prices() -> dict[str, Price]:
    """Return the prices of an image without a stated quality."""
    return {resolution: _price(resolution, "medium") for resolution in _SIDES}


def special_prices() -> Iterator[SpecialPrice]:
    """Yield the prices of each quality."""
    for quality in QUALITIES:
        for resolution in _SIDES:
            price = _price(resolution, quality)
            yield SpecialPrice(resolution=resolution, quality=quality, price=price)
