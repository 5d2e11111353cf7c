"""What Google counts and charges: tokens, and search queries.

Sources: ai.google.dev, pages on pricing (standard, not batch) and image generation,
read 2026-11-20; litellm's reading of grounding for queries, read 2026-11-30. How many
tokens a prompt has is the sandbox's own counting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from batchgen.sandbox.gemini_models import NANO_PER_QUERY, Model

_TOKENS_PER_REFERENCE = 258
# So that no prompt, however long, costs more than the price table says.
_MAX_PROMPT_TOKENS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of one call, by what they are for.

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
        words = min(len(prompt.split()), _MAX_PROMPT_TOKENS)
        return cls(prompt=words, references=references * _TOKENS_PER_REFERENCE)

    def amount_nano(self, model: Model) -> int:
        """Return the charge in nano-dollars."""
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
