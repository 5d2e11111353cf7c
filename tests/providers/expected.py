"""What the tests expect of each provider: `expected.toml` beside its samples."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).parents[2] / "samples" / "replies"
Way = Literal["link", "inline", "task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyerFacts:
    """How a client without code of ours buys an image from a provider's sandbox.

    Attributes:
        path: Of purchases.
        body: What each purchase says besides its prompt.
        key_header: The header that carries the key.
        key_prefix: What stands before the key there.
        prompt: The place of the prompt in the body: names and indexes, with dots.
        is_form: Whether the body is a form, not JSON.
        variations: Changes of the body that change nothing that is checked: where
            only some replies bring links, one of these brings one.
    """

    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    prompt: str = "prompt"
    is_form: bool = False
    variations: Sequence[Mapping[str, Any]] = ({},)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFacts:
    """How a service that speaks the provider's protocol sells one image.

    Texts are JSON. In them `$LINK` and `$IMAGE` stand for the image (its link, its
    bytes in base64), `$TASK` for the id of the task, `$URL` for the server's address.

    Attributes:
        purchase: The answer to a purchase; empty: the image itself.
        headers: Of that answer.
        link: An answer with a link, to a purchase, where `purchase` has none; empty:
            the provider sends none.
        polls: Answers to polls of a finished task, by how the path ends.
        task: What stands around a task when a poll shows it, as `$DOCUMENT`.
        wrong_key: The sample of the reply to a key that nobody has.
    """

    purchase: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    polls: Mapping[str, str] = field(default_factory=dict)
    task: str = "$DOCUMENT"
    wrong_key: str = "error_401"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What runs buy that are killed.

    Attributes:
        resolution: A cheap one.
        n: Images of each row, all of them one purchase.
        uploads: Whether rows have reference images that are uploaded.
    """

    resolution: str = "1K"
    n: int = 1
    uploads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the tests expect of a provider.

    Attributes:
        key_variable: The environment variable of the key.
        way: How images come: by a link in the reply, in it, or by a task's links.
        forms: Where the images stand in its replies: bytes by their media type.
        refusals: What each disguise of a refusal leaves in the message of its row.
        refusals_may_cost: How many refusals may have been charged: those under a
            success, or of a task that was accepted.
        errors_under_200: Whether some errors come with a status of 200.
        errors_replace_tasks: Whether such an error may stand where the task would: then
            none was made.
        failures_are_free: Whether its documents say that failures cost nothing.
        sends_drafts: Whether of several images in a reply only the last is the result.
        buyer: How a client without code of ours buys an image.
        answers: How a service that speaks its protocol sells an image.
        runs: What runs buy that are killed.
        fields: Where each option stands in a request.
        always: What is sent where the row says nothing, by option.
    """

    key_variable: str
    way: Way
    forms: frozenset[str]
    refusals: frozenset[str]
    refusals_may_cost: Literal["none", "some", "all"]
    errors_under_200: bool = False
    errors_replace_tasks: bool = False
    failures_are_free: bool = False
    sends_drafts: bool = False
    buyer: BuyerFacts
    answers: AnswerFacts
    runs: RunFacts
    fields: Mapping[str, str] = field(default_factory=dict)
    always: Mapping[str, object] = field(default_factory=dict)


@cache
def facts_of(provider: str) -> Facts:
    """Return what the tests expect of a provider."""
    text = (FOLDER / provider / "expected.toml").read_text("utf-8")
    facts = {"key_variable": f"{provider.upper()}_API_KEY"} | tomllib.loads(text)
    return Facts(
        **facts
        | {
            "forms": frozenset(facts["forms"]),
            "refusals": frozenset(facts["refusals"]),
            "buyer": BuyerFacts(**facts["buyer"]),
            "answers": AnswerFacts(**facts.get("answers", {})),
            "runs": RunFacts(**facts.get("runs", {})),
        }
    )


def providers_with_samples() -> list[str]:
    """Return the providers whose samples stand beside what is expected of them."""
    return sorted(path.parent.name for path in FOLDER.glob("*/expected.toml"))
