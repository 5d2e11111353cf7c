"""A provider's own prices are those that its sandbox, a second reading, charges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from batchgen.model import Price, PriceKey, find_price, to_nano
from batchgen.providers import PROVIDERS
from batchgen.sandbox import SandboxProcess
from tests.contract.customer import Customer, check_books

pytestmark = pytest.mark.anyio

PRICED = [name for name, provider in PROVIDERS.items() if provider.prices]
"""Providers that publish prices; those of the others are made up by the sandbox."""
TOLERANCE = Decimal("0.05")
"""Of the two examples of one price that AI/ML API shows, and rounding."""
ROWS = 6


def fares(
    bank: SandboxProcess, provider: str
) -> Iterator[tuple[PriceKey, dict[str, Any]]]:
    """Yield each sale that a sandbox has a fare for, and the fare."""
    document, usual = bank.tariff(), PROVIDERS[provider]
    for resolution, fare in document[provider].items():
        model = usual.capabilities.models.get(resolution, usual.defaults.model)
        yield PriceKey(provider, resolution, model), fare
    for fare in document["special"].get(provider, ()):
        yield (
            PriceKey(
                provider,
                fare["resolution"],
                fare.get("model", usual.defaults.model),
                quality=fare.get("quality"),
                thinking=fare.get("thinking"),
            ),
            fare,
        )


def price_of(price_key: PriceKey) -> Price | None:
    return find_price(PROVIDERS[price_key.provider].prices, price_key)


@pytest.mark.parametrize("provider", PRICED)
def test_each_price_is_what_the_sandbox_asks(
    provider: str, bank: SandboxProcess
) -> None:
    compared = 0
    for price_key, fare in fares(bank, provider):
        if (price := price_of(price_key)) is None:
            continue  # on no page: the user must give it
        compared += 1
        asked = Decimal(fare["expected_usd"])
        assert abs(price.expected - asked) <= TOLERANCE * asked, (price_key, price)
        assert price.floor <= asked <= price.ceiling, (price_key, price)
        assert price.read_on is not None
    sizes = {price.resolution for price in PROVIDERS[provider].prices}
    assert compared >= len(sizes)


def listed(row: Mapping[str, Any], customer: Customer) -> Price:
    capabilities, defaults = (
        PROVIDERS[customer.provider].capabilities,
        PROVIDERS[customer.provider].defaults,
    )
    model = capabilities.models.get(row["resolution"], defaults.model)
    price = price_of(PriceKey(customer.provider, row["resolution"], model))
    assert price is not None
    return price


@pytest.mark.parametrize("provider", PRICED)
async def test_each_line_of_the_bill_is_within_the_providers_own_price(
    customer: Customer,
) -> None:
    sizes = [value for value in customer.tariff if value in ("512", "1K", "2K")]
    priced = [
        size for size in sizes if price_of(next(sales(customer, size))) is not None
    ]
    rows = [
        customer.row(f"a bowl {number}", resolution=priced[number % len(priced)])
        for number in range(ROWS)
    ]
    customer.write(rows)
    customer.prices = PROVIDERS[customer.provider].prices

    await customer.run()

    books = customer.books()
    prices = {row["prompt"]: listed(row, customer) for row in rows}
    assert len(books.bill) == ROWS
    for sale in books.bill:
        price, nano = prices[sale["prompt"]], sale["amount_nano_usd"]
        assert to_nano(price.floor) <= nano <= to_nano(price.ceiling), sale
    assert (books.spent, books.at_risk) == (books.billed, 0)
    estimates = {row["prompt"]: row["estimated_usd"] for row in books.rows}
    assert estimates == {name: price.expected for name, price in prices.items()}
    check_books(books)


def sales(customer: Customer, resolution: str) -> Iterator[PriceKey]:
    provider = PROVIDERS[customer.provider]
    model = provider.capabilities.models.get(resolution, provider.defaults.model)
    yield PriceKey(customer.provider, resolution, model)
