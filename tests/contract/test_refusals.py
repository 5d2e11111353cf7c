"""A refusal is never sent again unchanged, on any provider, in any disguise."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from batchgen.cli.summary import finish
from batchgen.providers import PROVIDERS
from tests.books import is_at_risk
from tests.contract.customer import Customer, check_books

pytestmark = pytest.mark.anyio

ROWS = 80

REASONS: Mapping[str, frozenset[str]] = {
    "aimlapi": frozenset({"rejected by the safety system", "our content policy"}),
    "apiai": frozenset(
        {"IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_RECITATION", "blockReason"}
    ),
    "foxapi": frozenset({"violates the content policy"}),
    "nanobananaapi": frozenset(
        {"our content policy", "safety system", "PROHIBITED_CONTENT", "IMAGE_SAFETY"}
    ),
    "gccai": frozenset({"rejected by moderation", "violates the content policy"}),
    "gemini": frozenset(
        {
            *("prompt was blocked: SAFETY", "prompt was blocked: BLOCKLIST"),
            *("prompt was blocked: PROHIBITED", "prompt was blocked: IMAGE_SAFETY"),
            *("finish reason: SAFETY", "finish reason: RECITATION"),
            *("finish reason: BLOCKLIST", "finish reason: PROHIBITED_CONTENT"),
            *("finish reason: SPII", "finish reason: IMAGE_SAFETY"),
            *("finish reason: IMAGE_PROHIBITED", "finish reason: IMAGE_RECITATION"),
            *("Try rephrasing", "our content policy"),
        }
    ),
    "openai": frozenset({"by the safety system", "a result of our safety system"}),
}
"""By provider what each disguise leaves in the message."""

NOT_SURELY_FREE = frozenset({"apiai", "foxapi", "nanobananaapi", "gccai"})
"""Those that may refuse under a success, or after a task was accepted, and do not say
whether that costs anything."""


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_refusal_in_any_disguise_is_final_and_carries_its_reason(
    customer: Customer,
) -> None:
    customer.write([customer.row(f"REFUSE-ME {number}") for number in range(ROWS)])

    for _ in range(2):
        outcome = await customer.run(terms={"concurrency": 16})

        books = customer.books()
        assert finish(customer.job({}), outcome) == 3
        assert books.statuses == {"refused": ROWS}
        assert len(books.requests) == ROWS
    assert {row["error"] for row in books.rows} == {"refused"}
    messages = [row["message"] for row in books.rows]
    reasons = REASONS[customer.provider]
    unseen = {it for it in reasons if not any(it in words for words in messages)}
    assert unseen == set()
    assert [words for words in messages if not any(it in words for it in reasons)] == []
    assert books.spent == books.billed
    risky = [it for it in books.attempts if is_at_risk(it)]
    assert bool(risky) == (customer.provider in NOT_SURELY_FREE)
    assert len(risky) < ROWS or customer.provider == "foxapi"
    check_books(books)
