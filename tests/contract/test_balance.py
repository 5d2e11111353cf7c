"""A balance is what was paid in, less what was billed, wherever one is told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen.errors import AttemptError, CredentialRejected
from batchgen.model import Balance, Json, Reply
from batchgen.providers import PROVIDERS
from batchgen.providers.base import BalanceProvider, Endpoint
from batchgen.sandbox import KEY
from batchgen.verify.requests import rates_of
from batchgen.wire.sender import Wire
from tests.contract.customer import Customer

pytestmark = pytest.mark.anyio

TELLING = [
    name
    for name, provider in PROVIDERS.items()
    if isinstance(provider, BalanceProvider)
]


async def balance_of(customer: Customer, key: str = KEY) -> Balance:
    provider = PROVIDERS[customer.provider]
    assert isinstance(provider, BalanceProvider)
    url = customer.sandbox.provider_url(customer.provider)
    call = provider.encode_balance(Endpoint(url, key))
    async with Wire(paid_hosts=False) as wire:
        reply = await wire.send(provider.name, call, reply_timeout_s=10)
    return provider.decode_balance(reply)


@pytest.mark.parametrize("provider", TELLING)
async def test_a_purchase_lowers_the_balance_by_what_is_billed(
    customer: Customer,
) -> None:
    before = await balance_of(customer)
    customer.write([customer.row("a balance")])
    await customer.run(terms={"rates": rates_of(customer)})

    after = await balance_of(customer)

    assert before.amount is not None
    assert after.amount is not None
    assert before.unit == after.unit
    rate = Decimal(1) if after.unit == "usd" else rates_of(customer)[after.unit]
    used_nano = round((before.amount - after.amount) * rate * 10**9)
    assert used_nano == customer.books().billed > 0


@pytest.mark.parametrize("provider", TELLING)
async def test_a_wrong_key_is_told_apart_and_a_broke_one_has_nothing(
    customer: Customer,
) -> None:
    with pytest.raises(CredentialRejected):
        await balance_of(customer, "sk-wrong-1f3a")

    assert (await balance_of(customer, "sk-broke-1f3a")).amount == 0


@pytest.mark.parametrize("provider", TELLING)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"success": False, "message": "not today"}, id="no-amount"),
        pytest.param({"balance": "NaN", "current_balance": "x"}, id="no-number"),
        pytest.param([], id="no-object"),
        pytest.param("<html>", id="a-page"),
    ],
)
async def test_a_reply_without_a_balance_is_no_balance(
    provider: str, body: Json
) -> None:
    teller = PROVIDERS[provider]
    assert isinstance(teller, BalanceProvider)

    with pytest.raises(AttemptError):
        teller.decode_balance(Reply(200, {}, body))


def test_a_key_without_a_quota_has_no_limit() -> None:
    teller = PROVIDERS["gccai"]
    assert isinstance(teller, BalanceProvider)
    body: Json = {"remain_balance": -1, "remain_credits": -1, "unlimited_quota": True}

    assert teller.decode_balance(Reply(200, {}, body)) == Balance(None, "credit")
