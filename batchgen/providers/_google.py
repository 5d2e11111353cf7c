"""Google's formats of tokens and errors: usageMetadata and google.rpc.Status.

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

MIN_IMAGE_TOKENS = 747  # tokens of the smallest size in the price table
MAX_TOKENS = 100_000_000  # more for one request is a broken number [assumed]
_DAYS_QUOTA = re.compile(r"quotaId: \w*PerDay")


def usage_of(body: Mapping[str, Json], *, has_images: bool) -> dict[str, Decimal]:
    """Return the charged units of a reply: tokens, and queries of searches.

    Empty where some tokens are not stated: then nobody knows the whole charge.
    """
    usage = body.get("usageMetadata", body.get("usage_metadata"))
    tokens = token_usage(usage, has_images=has_images)
    if not tokens or not (queries := _queries(body)):
        return tokens
    return {**tokens, "search_query": Decimal(len(queries))}


def _queries(body: Mapping[str, Json]) -> set[str]:
    """Return the distinct queries of a reply's searches; each one is charged.

    The tokens of their results (`toolUsePromptTokenCount`) are not charged.
    """
    queries: set[str] = set()
    for candidate in objects(body.get("candidates")):
        for name in ("groundingMetadata", "grounding_metadata"):
            grounding = fields(candidate.get(name))
            for key in ("webSearchQueries", "web_search_queries"):
                values = grounding.get(key)
                texts = values if isinstance(values, list) else []
                queries |= {text.strip() for text in texts if isinstance(text, str)}
    return queries - {""}


def token_usage(usage: Json, *, has_images: bool) -> dict[str, Decimal]:
    """Return the charged tokens; empty where some are not stated.

    Args:
        usage: The reply's `usageMetadata`.
        has_images: Whether an image came. Without `candidatesTokensDetails` all tokens
            of the reply are then counted as the image's [assumed].
    """
    meta = fields(usage)
    details = objects(meta.get("candidatesTokensDetails"))
    out = image = _count(meta, "candidatesTokenCount")
    if details or not has_images:
        images = [detail for detail in details if detail.get("modality") == "IMAGE"]
        image = sum((_count(detail, "tokenCount") for detail in images), Decimal(0))
    is_draft = not has_images and not details and out >= MIN_IMAGE_TOKENS
    if is_draft or (has_images and not image):
        return {}  # an image was made, and its tokens cannot be told from text
    tokens = {
        "input_token": _count(meta, "promptTokenCount"),
        "text_token": max(out - image, Decimal(0)) + _count(meta, "thoughtsTokenCount"),
        "image_token": image,
    }
    return {unit: count for unit, count in tokens.items() if count}


def _count(holder: Mapping[str, Json], key: str) -> Decimal:
    count = number(holder.get(key)) or Decimal(0)
    return count if count <= MAX_TOKENS else Decimal(0)


_SNAKE = re.compile(r"(?<=[a-z0-9])_+([a-z0-9])")


def in_camel_case(value: Json, depth: int = 12) -> Json:
    """Return a value with names in camelCase, as in JSON, not as in protocol buffers.

    Google's own parsers accept both, so relays send either. Of two equal names, the one
    that is not null counts.
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
    provider: str, reply: Reply, delivered: Delivered, *, failures_are_free: bool
) -> AttemptError:
    """Return the error of a failed request, or of one that a 200's body states."""
    error = fields(fields(reply.body).get("error"))
    failure = purchase_error(
        provider,
        reply,
        delivered,
        is_documented=False,
        failures_are_free=failures_are_free,
    )
    if message := text_of(error.get("message")):
        failure.message = message
    details = text_of(error.get("details"))  # their order is not fixed
    if error.get("status") == "FAILED_PRECONDITION" and not _has_known_cause(failure):
        # The key's project has no billing, or lies in the wrong region.
        return CredentialRejected(provider, failure.message)
    if isinstance(failure, Throttled) and _DAYS_QUOTA.search(details):
        wait_s = failure.retry_after_s
        return QuotaReached(provider, failure.message, retry_after_s=wait_s)
    return failure


def _has_known_cause(failure: AttemptError) -> bool:
    return isinstance(failure, Refused | OutOfCredit)
