"""Every provider of the mapping meets everything that can go wrong."""

from __future__ import annotations

import pytest

from batchgen.cli.summary import finish
from batchgen.providers import PROVIDERS
from batchgen.sandbox import KEY
from batchgen.sandbox.faults import Fault
from batchgen.sandbox.services import SERVICES
from batchgen.verify.checks import LINKS, Check, checks_of
from batchgen.verify.outcomes import ELSEWHERE, EXPECTED
from tests.books import is_at_risk
from tests.contract.customer import Customer, check_books, names_with
from tests.providers.expected import facts_of

pytestmark = pytest.mark.anyio

CHECKS = [
    pytest.param(name, check, id=f"{name}-{check.name}")
    for name in PROVIDERS
    for check in checks_of(name)
]


def test_each_provider_has_a_sandbox_and_each_sandbox_a_provider() -> None:
    assert set(PROVIDERS) == set(SERVICES)


def test_each_fault_has_an_expected_outcome() -> None:
    assert set(EXPECTED) | ELSEWHERE == set(Fault)
    assert not set(EXPECTED) & ELSEWHERE


@pytest.mark.parametrize(("provider", "check"), CHECKS)
async def test_a_provider_passes_each_check_by_other_books_too(
    customer: Customer, check: Check
) -> None:
    await check.run(customer)

    codes = tuple(finish(customer.job({}), outcome) for outcome in customer.outcomes)
    assert not check.codes or codes == check.codes
    books = customer.books()
    assert not any(KEY in (row["message"] or "") for row in books.rows)
    check_books(books)


@pytest.mark.parametrize("provider", names_with(Fault.GONE_LINK))
async def test_a_lost_link_is_bought_again_on_demand(customer: Customer) -> None:
    customer.write([customer.row(f"a pan {number}") for number in range(LINKS)])
    customer.sandbox.queue_fault(customer.provider, "gone_link")
    await customer.run(terms={"concurrency": LINKS})

    assert customer.retry("failed") == 1
    outcome = await customer.run()

    books = customer.books()
    assert finish(customer.job({}), outcome) == 0
    assert books.statuses == {"succeeded": LINKS}
    assert (len(books.requests), len(books.bill)) == (LINKS + 1, LINKS + 1)
    assert (books.spent, books.at_risk) == (books.billed, 0)
    check_books(books)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_storm_is_weathered(customer: Customer) -> None:
    """See that faults which follow one another keep the law of money, too."""
    rows = [customer.row(f"a storm glass {number}") for number in range(8)]
    customer.write(rows)
    for fault in ("server_error", "lost_reply", "throttle", "no_image", "cut_body"):
        customer.sandbox.queue_fault(customer.provider, fault)

    # One row may meet both outcomes that nobody knows.
    await customer.run(terms={"concurrency": 8}, max_unknown=2)

    books = customer.books()
    assert books.statuses == {"succeeded": len(rows)}
    at_risk = [attempt["message"] for attempt in books.attempts if is_at_risk(attempt)]
    if facts_of(customer.provider).errors_under_200:
        # Under status 200 nobody knows whether it was charged.
        errors = [text for text in at_risk if text.startswith("Internal server error")]
        for error in errors[:1]:
            at_risk.remove(error)
    assert len(at_risk) in (2, 3)
    assert {attempt["n"] for attempt in books.attempts} == {1}
    check_books(books)
