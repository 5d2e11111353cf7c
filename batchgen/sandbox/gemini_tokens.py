"""What Google counts and charges: tokens.

Source: ai.google.dev, pages on pricing (standard, not batch) and image generation,
read 2026-11-20. How many tokens a prompt has is the sandbox's own counting.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

IMAGE_TOKENS = MappingProxyType({"512": 747, "1K": 1120, "2K": 1680, "4K": 2520})
"""Tokens of an image that was made, by its resolution."""

_NANO_PER_INPUT_TOKEN = 500
_NANO_PER_TEXT_TOKEN = 3_000
_NANO_PER_IMAGE_TOKEN = 60_000
_TOKENS_PER_REFERENCE = 258
# So that no prompt, however long, costs more than the tariff says.
_MOST_OF_WORDS = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of one call, by what they are for."""

    prompt: int
    references: int = 0
    thoughts: int = 0
    text: int = 0
    image: int = 0

    @classmethod
    def asked(cls, prompt: str, references: int) -> Self:
        """Return the tokens of a request with so many images, before its answer."""
        words = min(len(prompt.split()), _MOST_OF_WORDS)
        return cls(prompt=words, references=references * _TOKENS_PER_REFERENCE)

    @property
    def amount_nano(self) -> int:
        """The charge in nano-dollars."""
        return (
            (self.prompt + self.references) * _NANO_PER_INPUT_TOKEN
            + (self.thoughts + self.text) * _NANO_PER_TEXT_TOKEN
            + self.image * _NANO_PER_IMAGE_TOKEN
        )

    def as_document(self) -> dict[str, Any]:
        """Return `usageMetadata`."""
        asked = self.prompt + self.references
        answered = self.text + self.image
        return {
            "promptTokenCount": asked,
            "candidatesTokenCount": answered,
            "thoughtsTokenCount": self.thoughts,
            "totalTokenCount": asked + answered + self.thoughts,
            "promptTokensDetails": _details(TEXT=self.prompt, IMAGE=self.references),
            "candidatesTokensDetails": _details(TEXT=self.text, IMAGE=self.image),
        }


def _details(**counts: int) -> list[dict[str, Any]]:
    return [
        {"modality": modality, "tokenCount": count}
        for modality, count in counts.items()
        if count
    ]
