"""After a bill was settled, every provider's bill is what the table says was spent."""

from __future__ import annotations

import pytest

from batchgen.billing.comparison import Kind
from batchgen.billing.reconciliation import reconcile
from batchgen.providers import PROVIDERS
from tests.contract.customer import Customer
from tests.contract.settled import (
    bill_of,
    buy_and_settle,
    check_settled,
    unsure_of,
)

pytestmark = pytest.mark.anyio

ROWS = 8


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_spent_is_the_bill_once_it_is_settled_what_was_retired_included(
    customer: Customer,
) -> None:
    for fault in unsure_of(customer.provider):
        customer.sandbox.queue_fault(customer.provider, fault)

    settled = await buy_and_settle(customer, ROWS)

    assert settled.before.at_risk > 0
    check_settled(settled, customer)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_run_without_faults_is_its_bill_line_by_line(
    customer: Customer,
) -> None:
    customer.write([customer.row(f"a plate {index}") for index in range(3)])
    await customer.run()

    done = reconcile(customer.folder / "out", bill_of(customer), settles=False)

    assert done.comparison.differences == []
    assert done.comparison.matches == 3
    assert done.totals.spent == done.comparison.billed == customer.books().billed


@pytest.mark.parametrize("provider", ["aimlapi"])
async def test_what_the_export_may_not_cover_stays_at_risk(customer: Customer) -> None:
    customer.sandbox.queue_fault(customer.provider, "lost_before")
    customer.write([customer.row(f"a vase {index}") for index in range(2)])
    await customer.run(max_unknown=1)
    before = customer.books()

    bill = bill_of(customer, days=None)
    done = reconcile(customer.folder / "out", bill, settles=True)

    assert [error.kind for error in done.comparison.remaining] == [Kind.NOT_CHARGED]
    assert "--covers" in done.comparison.remaining[0].note
    assert done.settled == 0
    assert customer.books().at_risk == before.at_risk > 0
