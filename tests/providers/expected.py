"""What the tests expect of each provider: `expected.toml` beside its samples."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from tests.providers.samples import FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyerFacts:
    """How a client without code of ours buys an image from a provider's sandbox.

    Attributes:
        path: Of purchases.
        body: What each purchase says besides its prompt.
        key_header: The header that carries the key.
        key_prefix: What stands before the key there.
        prompt: The field of the prompt.
    """

    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    prompt: str = "prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the tests expect of a provider.

    Attributes:
        forms: Where the images stand in its replies: bytes by their media type.
        refusals: What each disguise of a refusal leaves in the message of its row.
        refusals_may_cost: How many refusals may have been charged: those under a
            success, or of a task that was accepted.
        errors_under_200: Whether some errors come with a status of 200.
        buyer: How a client without code of ours buys an image.
        fields: Where each option stands in a request.
        always: What is sent where the row says nothing, by option.
    """

    forms: frozenset[str]
    refusals: frozenset[str]
    refusals_may_cost: Literal["none", "some", "all"]
    errors_under_200: bool = False
    buyer: BuyerFacts
    fields: Mapping[str, str]
    always: Mapping[str, object] = field(default_factory=dict)


@cache
def facts_of(provider: str) -> Facts:
    """Return what the tests expect of a provider."""
    text = (FOLDER / provider / "expected.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    facts["forms"] = frozenset(facts["forms"])
    facts["refusals"] = frozenset(facts["refusals"])
    facts["buyer"] = BuyerFacts(**facts["buyer"])
    return Facts(**facts)
