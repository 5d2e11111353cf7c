"""A refusal is never sent again unchanged, on any provider, in any disguise."""

from __future__ import annotations

import pytest

from batchgen.cli.summary import finish
from batchgen.providers import PROVIDERS
from tests.books import is_at_risk
from tests.contract.customer import Customer, check_books
from tests.providers.expected import facts_of

pytestmark = pytest.mark.anyio

ROWS = 80
COUNTS = {"none": {0}, "some": range(1, ROWS), "all": {ROWS}}


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
    facts = facts_of(customer.provider)
    reasons = facts.refusals
    unseen = {
        reason for reason in reasons if not any(reason in words for words in messages)
    }
    assert unseen == set()
    assert [
        words for words in messages if not any(reason in words for reason in reasons)
    ] == []
    assert books.spent == books.billed
    risky = [attempt for attempt in books.attempts if is_at_risk(attempt)]
    assert len(risky) in COUNTS[facts.refusals_may_cost]
    check_books(books)
