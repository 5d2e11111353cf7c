"""The image models that Google sells, their options and prices.

Sources: notes that quote Google's changelog, model and pricing pages of October 2026
(ids, sizes, prices for 2.1 by token, prices of the others by image), docs.laozhang.ai
for levels of thinking, litellm's reading of grounding for queries; read 2026-11-30.
ai.google.dev, pages on pricing (standard, not batch) and image generation, read
2026-11-20. Prices of text at the others, and how many tokens a prompt has, are made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Self

from batchgen.sandbox.price_table import Price, SpecialPrice

USUAL = "gemini-nano-banana-2.1"
NANO_PER_QUERY = 14_000_000
MAX_QUERIES = 4
MAX_THOUGHT_TOKENS = 3_500
# Prompt, references, text and short thoughts are charged in addition to the image.
_MARGIN = Decimal("1.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model.

    Attributes:
        tokens: Of an image, by resolution; other sizes are refused.
        has_size: Whether `imageSize` is accepted at all.
        levels: Of thinking, in lower case; the first is the default.
        input_nano: Nano-dollars of one token that is sent.
        text_nano: Of one token of text or thoughts.
        image_nano: Of one token of an image.
    """

    tokens: Mapping[str, int]
    has_size: bool = True
    levels: tuple[str, ...] = ()
    input_nano: int
    text_nano: int
    image_nano: int

    def price(self, resolution: str, *, thinks: bool = False) -> Price:
        """Return the price of an image; the ceiling includes all else."""
        image = Decimal(self.tokens[resolution] * self.image_nano).scaleb(-9)
        thoughts = (
            Decimal(MAX_THOUGHT_TOKENS * self.text_nano).scaleb(-9) if thinks else 0
        )
        return Price(
            expected_usd=image,
            ceiling_usd=image * _MARGIN + thoughts,
            lowest_usd=image,
            per_search_usd=Decimal(MAX_QUERIES * NANO_PER_QUERY).scaleb(-9),
        )


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        USUAL: Model(
            tokens={"1K": 1120, "2K": 1680, "4K": 2520},
            levels=("medium", "minimal", "low", "high"),
            input_nano=1_500,
            text_nano=7_500,
            image_nano=30_000,
        ),
        "gemini-3-pro-image": Model(
            tokens={"1K": 1120, "2K": 1120, "4K": 2000},
            input_nano=2_000,
            text_nano=12_000,
            image_nano=120_000,
        ),
        "gemini-3.1-flash-lite-image": Model(
            tokens={"1K": 1120},
            has_size=False,
            levels=("minimal", "high"),
            input_nano=250,
            text_nano=1_500,
            image_nano=30_000,
        ),
        "gemini-2.5-flash-image": Model(
            tokens={"1K": 1290},
            has_size=False,
            input_nano=300,
            text_nano=2_500,
            image_nano=30_000,
        ),
    }
)
"""Requests for other models get a 404, also for models that Google had earlier."""


def usual_prices() -> dict[str, Price]:
    """Return the prices of the usual model with minimal thinking."""
    model = MODELS[USUAL]
    return {resolution: model.price(resolution) for resolution in model.tokens}


def special_prices() -> Iterator[SpecialPrice]:
    """Yield the prices of other models, and of levels of thinking."""
    for name, model in MODELS.items():
        for resolution in model.tokens:
            for level in set(model.levels) - {"minimal"}:
                yield SpecialPrice(
                    resolution=resolution,
                    model=name,
                    thinking=level,
                    price=model.price(resolution, thinks=True),
                )
            if name != USUAL:
                yield SpecialPrice(
                    resolution=resolution, model=name, price=model.price(resolution)
                )


_TOKENS_PER_REFERENCE = 258
# So that no prompt, however long, costs more than the price table says.
_MAX_PROMPT_TOKENS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of one call, by their purpose.

    Attributes:
        queries: Distinct queries that its searches sent.
        results: Tokens of the search results, which are not charged.
    """

    prompt: int
    references: int = 0
    thoughts: int = 0
    text: int = 0
    image: int = 0
    queries: int = 0
    results: int = 0

    @classmethod
    def of_request(cls, prompt: str, references: int) -> Self:
        """Return the tokens of a request with so many images, without its answer."""
        prompt_tokens = min(len(prompt.split()), _MAX_PROMPT_TOKENS)
        return cls(prompt=prompt_tokens, references=references * _TOKENS_PER_REFERENCE)

    def amount_nano(self, model: Model) -> int:
        return (
            (self.prompt + self.references) * model.input_nano
            + (self.thoughts + self.text) * model.text_nano
            + self.image * model.image_nano
            + self.queries * NANO_PER_QUERY
        )

    def as_document(self) -> dict[str, Any]:
        """Return `usageMetadata`."""
        sent_tokens = self.prompt + self.references
        output_tokens = self.text + self.image
        return {
            "promptTokenCount": sent_tokens,
            "candidatesTokenCount": output_tokens,
            "thoughtsTokenCount": self.thoughts,
            "totalTokenCount": sent_tokens
            + output_tokens
            + self.thoughts
            + self.results,
            **({"toolUsePromptTokenCount": self.results} if self.results else {}),
            "promptTokensDetails": _details(TEXT=self.prompt, IMAGE=self.references),
            "candidatesTokensDetails": _details(TEXT=self.text, IMAGE=self.image),
        }


def _details(**counts: int) -> list[dict[str, Any]]:
    return [
        {"modality": modality, "tokenCount": count}
        for modality, count in counts.items()
        if count
    ]
