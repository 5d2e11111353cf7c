"""Google's own words for tokens and errors: usageMetadata and google.rpc.Status.

Source: ai.google.dev, pages on errors and tokens; googleapis/python-genai (6680718
of 2026-08-21) and captured bodies of 429s for the details; read 2026-11-20.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from batchgen.decoding import (
    error_by_words,
    fields,
    message_of,
    number,
    objects,
    text_of,
)
from batchgen.errors import AttemptError, CredentialRejected, QuotaReached
from batchgen.model import Json, Reply

LEAST_OF_AN_IMAGE = 747  # tokens of the smallest size in the price table
MOST_TOKENS = 100_000_000  # more for one request is a broken number [assumed]
_DELAY = re.compile(r"retryDelay: ([0-9]{1,9}(?:\.[0-9]{1,9})?)s")
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
                queries |= {it.strip() for it in texts if isinstance(it, str)}
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
        of_images = (it for it in details if it.get("modality") == "IMAGE")
        image = sum((_count(it, "tokenCount") for it in of_images), Decimal(0))
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


def error_of(provider: str, reply: Reply) -> AttemptError:
    """Return the error of a failed request, which may come as an array of one."""
    if isinstance(reply.body, list) and reply.body:
        reply = replace(reply, body=reply.body[0])
    error = fields(fields(reply.body).get("error"))
    message = text_of(error.get("message")) or message_of(reply.body)
    found = error_by_words(provider, reply, message)
    details = text_of(error.get("details"))  # their order is not fixed
    if "API_KEY_INVALID" in details or error.get("status") == "FAILED_PRECONDITION":
        # The latter: the key's project has no billing, or lies in the wrong region.
        found = CredentialRejected(provider, message)
    elif reply.status == 429 and _DAYS_QUOTA.search(details):
        wait_s = found.retry_after_s
        found = QuotaReached(provider, message, retry_after_s=wait_s)
    if delay := _DELAY.search(details):
        found.retry_after_s = max(float(delay[1]), found.retry_after_s or 0.0)
    return found
