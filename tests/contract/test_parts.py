"""Rows of several images, and images that several rows share."""

from __future__ import annotations

from collections import Counter

import pytest

from batchgen.providers import PROVIDERS
from batchgen.sandbox.faults import Fault
from tests.contract.customer import Customer, check_books, names_with

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_row_of_more_images_than_a_request_may_buy_is_bought_in_parts(
    customer: Customer,
) -> None:
    max_images = PROVIDERS[customer.provider].capabilities.images_per_request
    customer.write(
        [customer.row("two cups", n=max_images), customer.row("more", n=max_images + 1)]
    )

    await customer.run()

    books = customer.books()
    assert [len(row["files"]) for row in books.rows] == [max_images, max_images + 1]
    assert Counter(
        (attempt["n"], attempt["images"]) for attempt in books.attempts
    ) == Counter(
        [(max_images, max_images), (max_images + 1, max_images), (max_images + 1, 1)]
    )
    assert len(books.requests) == 3
    assert (books.spent, books.at_risk) == (books.billed, 0)
    check_books(books)


@pytest.mark.parametrize("provider", names_with(Fault.FEWER_IMAGES))
async def test_images_that_a_reply_lacks_are_bought_and_no_others(
    customer: Customer,
) -> None:
    count = min(3, PROVIDERS[customer.provider].capabilities.images_per_request)
    customer.write([customer.row("cups", n=count)])
    customer.sandbox.queue_fault(customer.provider, "fewer_images")

    await customer.run()

    books = customer.books()
    [row] = books.rows
    assert [file["image"] for file in row["files"]] == list(range(1, count + 1))
    assert [
        (attempt["first_image"], attempt["images"]) for attempt in books.attempts
    ] == [
        (1, count),
        (count, 1),
    ]
    amount_nano = books.bill[-1]["amount_nano_usd"]
    # Where tokens are charged, the prompt is charged once for both.
    assert round(books.bill[0]["amount_nano_usd"] / amount_nano, 3) == count - 1
    assert books.spent == books.billed
    # Whether what did not come is charged, only a reply that states its charge says.
    is_stated = row["cost_basis"] == "reported"
    assert books.at_risk == (0 if is_stated else amount_nano)
    assert row["at_risk_attempts"] == 0
    check_books(books)


@pytest.mark.parametrize("provider", names_with(Fault.UPLOAD_FAILED))
async def test_an_upload_that_fails_buys_nothing_and_is_tried_again(
    customer: Customer, sketch: str
) -> None:
    rows = [customer.row(f"a mug {number}", references=[sketch]) for number in range(3)]
    customer.write(rows)
    customer.sandbox.queue_fault(customer.provider, "upload_failed", 2)
    before = len(customer.sandbox.uploads())

    await customer.run(terms={"references": "upload", "concurrency": 3})

    books = customer.books()
    assert books.statuses == {"succeeded": 3}
    assert len(books.requests) == 3
    assert len(customer.sandbox.uploads()) == before + 1
    assert (books.spent, books.at_risk) == (books.billed, 0)
    check_books(books)
