"""What most providers of the sandbox have in common."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from batchgen.sandbox.price_table import Price
from batchgen.sandbox.sandbox_context import SandboxContext


class BaseService:
    """The defaults of a `Service`: a bearer key, and links that stay valid."""

    key_header = "authorization"
    link_life_s: float | None = None
    renews_links = False
    is_inline = False

    def __init__(self, context: SandboxContext) -> None:
        self._context = context

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        """Return the prompt of a valid purchase request."""
        prompt: str = body["prompt"]
        return prompt


def price_within(usd: str, spread: str = "0") -> Price:
    """Return a price whose ceiling is higher by a share of it."""
    expected = Decimal(usd)
    return Price(expected_usd=expected, ceiling_usd=expected * (1 + Decimal(spread)))
