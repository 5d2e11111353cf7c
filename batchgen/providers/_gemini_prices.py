"""Prices of Google's models, from the pages that `gemini` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from batchgen.model import (
    Price,
    PriceList,
    RateList,
)

MODEL = "gemini-nano-banana-2.1"
PRO, LITE = "gemini-3-pro-image", "gemini-3.1-flash-lite-image"
FORMER = "gemini-2.5-flash-image"
READ_ON = date(2026, 11, 30)
PAGE = "ai.google.dev, Gemini API pricing, as quoted by several notes"
# A list price is the image's tokens alone; prompt, references and thinking come on
# top, so a reservation keeps this margin [assumed].
CEILING_FACTOR = Decimal("1.5")
# Each distinct query of a reply is $0.014 beyond the 5,000 free ones of a month, of
# which no reply tells (litellm, web_search_billing_unit; read 2026-11-30). Several a
# reply are usual; how many at most, nobody says [assumed].
SEARCH_USD, MAX_QUERIES = Decimal("0.014"), 5
# The least, the expected and the dearest price that notes give: those of 4K differ
# (2,520 or 3,780 tokens), and 1,290 tokens are rounded up. None of these makes 512.
LIST_USD: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    MODEL: {
        "1K": ("0.0336", "0.0336", "0.0336"),
        "2K": ("0.0504", "0.0504", "0.0504"),
        "4K": ("0.0756", "0.0756", "0.113"),
    },
    PRO: {
        "1K": ("0.134", "0.134", "0.134"),
        "2K": ("0.134", "0.134", "0.134"),
        "4K": ("0.24", "0.24", "0.24"),
    },
    LITE: {"1K": ("0.0336", "0.0336", "0.0336")},
    FORMER: {"1K": ("0.0387", "0.039", "0.039")},
}
# Only of this model is known what a token costs (LiteLLM, Nano Banana 2.1 on day 0).
USD_PER_MILLION = {"input_token": "1.50", "text_token": "7.50", "image_token": "30"}
MAX_THOUGHT_TOKENS = 4_000  # tokens [assumed]
REFERENCE_TOKENS = 1_120  # of one image that is sent; 258 in older pages [assumed]


def _prices() -> Iterator[Price]:
    thoughts = MAX_THOUGHT_TOKENS * Decimal(USD_PER_MILLION["text_token"]) / 10**6
    token_usd = Decimal(USD_PER_MILLION["input_token"]) / 10**6
    for model, prices in LIST_USD.items():
        for size, (lowest, expected, highest) in prices.items():
            brief = Price(
                expected=Decimal(expected),
                ceiling=Decimal(highest) * CEILING_FACTOR,
                page=PAGE,
                read_on=READ_ON,
                lowest=Decimal(lowest),
                resolution=size,
                models=frozenset({model}),
                max_per_reference=REFERENCE_TOKENS * token_usd,
                per_search=MAX_QUERIES * SEARCH_USD,
                thinking=frozenset({None, "minimal"}),
            )
            yield brief
            yield replace(brief, ceiling=brief.ceiling + thoughts, thinking=frozenset())


def _rate(usd: Decimal, *models: str) -> PriceList:
    return (
        Price(
            expected=usd,
            ceiling=usd,
            page=PAGE,
            read_on=READ_ON,
            models=frozenset(models),
        ),
    )


PRICES: PriceList = tuple(_prices())
RATES: RateList = MappingProxyType(
    {
        **{
            unit: _rate(Decimal(usd) / 10**6, MODEL)
            for unit, usd in USD_PER_MILLION.items()
        },
        "search_query": _rate(SEARCH_USD),
    }
)
