"""Google's own words for tokens and errors: usageMetadata and google.rpc.Status.

Source: ai.google.dev, pages on errors and tokens; googleapis/python-genai (6680718
of 2026-08-21) and captured bodies of 429s for the details; read 2026-11-20.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from batchgen.errors import (
    AttemptError,
    CredentialRejected,
    OutOfCredit,
    QuotaReached,
    Refused,
    Throttled,
)
from batchgen.model import Delivered, Json, Reply
from batchgen.providers._decoding import fields, number, objects, text_of
from batchgen.providers._reply_errors import purchase_error

LEAST_OF_AN_IMAGE = 747  # tokens of the smallest size in the price table
MOST_TOKENS = 100_000_000  # more for one request is a broken number [assumed]
_DAYS_QUOTA = re.compile(r"quotaId: \w*PerDay")


def used(body: Mapping[str, Json], *, pictured: bool) -> dict[str, Decimal]:
    """Return what a reply was charged for: its tokens, and the queries of its searches.

    Empty where the tokens cannot be all: queries alone are no bill.
    """
    usage = body.get("usageMetadata", body.get("usage_metadata"))
    tokens = tokens_used(usage, pictured=pictured)
    if not tokens or not (queries := _queries(body)):
        return tokens
    return {**tokens, "search_query": Decimal(len(queries))}


def _queries(body: Mapping[str, Json]) -> set[str]:
    """Return the distinct queries that a reply's searches sent; each one is charged.

    What the results took as tokens (`toolUsePromptTokenCount`) is not charged again.
    """
    queries: set[str] = set()
    for candidate in objects(body.get("candidates")):
        for name in ("groundingMetadata", "grounding_metadata"):
            grounding = fields(candidate.get(name))
            for key in ("webSearchQueries", "web_search_queries"):
                listed = grounding.get(key)
                texts = listed if isinstance(listed, list) else []
                queries |= {text.strip() for text in texts if isinstance(text, str)}
    return queries - {""}


def tokens_used(usage: Json, *, pictured: bool) -> dict[str, Decimal]:
    """Return the tokens that were charged; empty where they cannot be all.

    Args:
        usage: The reply's `usageMetadata`.
        pictured: Whether an image came: without `candidatesTokensDetails` it is then
            what all tokens of the answer went into [assumed].
    """
    meta = fields(usage)
    details = objects(meta.get("candidatesTokensDetails"))
    out = image = _count(meta, "candidatesTokenCount")
    if details or not pictured:
        images = [detail for detail in details if detail.get("modality") == "IMAGE"]
        image = sum((_count(detail, "tokenCount") for detail in images), Decimal(0))
    drafted = not pictured and not details and out >= LEAST_OF_AN_IMAGE
    if drafted or (pictured and not image):
        return {}  # an image was made, and its tokens cannot be told from text
    tokens = {
        "input_token": _count(meta, "promptTokenCount"),
        "text_token": max(out - image, Decimal(0)) + _count(meta, "thoughtsTokenCount"),
        "image_token": image,
    }
    return {unit: count for unit, count in tokens.items() if count}


def _count(holder: Mapping[str, Json], key: str) -> Decimal:
    count = number(holder.get(key)) or Decimal(0)
    return count if count <= MOST_TOKENS else Decimal(0)


_SNAKE = re.compile(r"(?<=[a-z0-9])_+([a-z0-9])")


def in_camel_case(value: Json, depth: int = 12) -> Json:
    """Return a value whose names are as JSON writes them, not as protocol buffers do.

    Google's own parsers take both, so relays send either. Where both stand, the one
    that is not null is taken.
    """
    if isinstance(value, list) and depth:
        return [in_camel_case(item, depth - 1) for item in value]
    if not isinstance(value, dict) or not depth:
        return value
    renamed: dict[str, Json] = {}
    for key, item in value.items():
        name = _SNAKE.sub(lambda match: match[1].upper(), key)
        if renamed.get(name) is None:
            renamed[name] = in_camel_case(item, depth - 1)
    return renamed


def error_of(
    provider: str, reply: Reply, said: Delivered, *, failures_are_free: bool
) -> AttemptError:
    """Return the error of a failed request, or of one that a 200's body states."""
    error = fields(fields(reply.body).get("error"))
    failure = purchase_error(
        provider,
        reply,
        said,
        is_documented=False,
        failures_are_free=failures_are_free,
    )
    if message := text_of(error.get("message")):
        failure.message = message
    details = text_of(error.get("details"))  # their order is not fixed
    if error.get("status") == "FAILED_PRECONDITION" and not _is_told(failure):
        # The key's project has no billing, or lies in the wrong region.
        return CredentialRejected(provider, failure.message)
    if isinstance(failure, Throttled) and _DAYS_QUOTA.search(details):
        wait_s = failure.retry_after_s
        return QuotaReached(provider, failure.message, retry_after_s=wait_s)
    return failure


def _is_told(failure: AttemptError) -> bool:
    return isinstance(failure, Refused | OutOfCredit)
