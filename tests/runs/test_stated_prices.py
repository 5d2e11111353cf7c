"""What a purchase cost: money in the reply, the user's price, counted units, a list."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from batchgen.model import Price, PriceKey, PriceList, find_price, to_nano
from batchgen.providers.gemini import Gemini
from tests.runs.desk import Desk
from tests.runs.shop import PNG, Answer, Request, Shop, as_json

pytestmark = pytest.mark.anyio

FLAT = Decimal("0.055")
TOKENS = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 1120,
    "totalTokenCount": 1130,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
}
BY_TOKENS = Decimal("0.033615")
AGREED: PriceList = (Price.agreed(FLAT, "--price"),)


def google(
    shop: Shop, usd: Decimal, usage: Mapping[str, Any] | None, data: bytes = PNG
) -> None:
    """Let the shop answer in Google's shape, and bill each image so much."""

    def respond(_: Request) -> Answer:
        shop.billed_nano += to_nano(usd)
        image = {"mimeType": "image/png", "data": base64.b64encode(data).decode()}
        parts = [{"inlineData": image}] if data else [{"text": "a description"}]
        answer = {"content": {"parts": parts}, "finishReason": "STOP"}
        counted = {} if usage is None else {"usageMetadata": usage}
        return as_json({"candidates": [answer], **counted})

    shop.buy = respond


@pytest.fixture
def gemini(desk: Desk) -> Desk:
    desk.others = {"gemini": Gemini()}
    desk.provider = "gemini"
    desk.prices = {**desk.prices, "gemini": Gemini.prices}
    desk.write("a cup")
    return desk


def listed_price(model: str = Gemini.defaults.model) -> Price:
    price = find_price(Gemini.prices, PriceKey("gemini", "1K", model))
    assert price is not None
    return price


async def test_the_users_price_stands_above_tokens(gemini: Desk, shop: Shop) -> None:
    gemini.prices = {**gemini.prices, "gemini": AGREED}
    google(shop, FLAT, TOKENS)

    await gemini.run()

    row = gemini.row()
    assert (row["cost_usd"], row["cost_basis"]) == (FLAT, "price_list")
    assert (row["at_risk_usd"], row["at_risk_attempts"]) == (0, 0)
    gemini.check_money()


async def test_without_one_tokens_are_money(gemini: Desk, shop: Shop) -> None:
    google(shop, BY_TOKENS, TOKENS)

    await gemini.run()

    row = gemini.row()
    assert (row["cost_usd"], row["cost_basis"]) == (BY_TOKENS, "reported")
    gemini.check_money()


async def test_the_users_price_stands_above_credits(desk: Desk, shop: Shop) -> None:
    desk.provider = "aimlapi"
    desk.prices = {**desk.prices, "aimlapi": AGREED}
    desk.write("a cup")
    shop.buy = shop.sells(178_975)
    shop.billed_nano = to_nano(FLAT) - 89_487_500  # what it bills is the flat price

    await desk.run()

    row = desk.row()
    assert (row["cost_usd"], row["cost_basis"]) == (FLAT, "price_list")
    desk.check_money()


async def test_money_in_the_reply_stands_above_the_users_price(
    desk: Desk, shop: Shop
) -> None:
    def respond(_: Request) -> Answer:
        shop.billed_nano += 71_000_000
        return Answer(200, PNG, {"content-type": "image/png", "x-cost": "0.071"})

    desk.provider = "apiai"
    desk.prices = {**desk.prices, "apiai": AGREED}
    desk.write("a cup")
    shop.buy = respond

    await desk.run()

    row = desk.row()
    assert (row["cost_usd"], row["cost_basis"]) == (Decimal("0.071"), "reported")
    desk.check_money()


async def test_of_an_agreed_range_the_least_is_spent_and_the_rest_at_risk(
    gemini: Desk, shop: Shop
) -> None:
    usd = Decimal("0.05")
    about = Price(expected=usd, ceiling=usd * 6 / 5, page="a letter", is_agreed=True)
    gemini.prices = {**gemini.prices, "gemini": (about,)}
    google(shop, Decimal("0.058"), TOKENS)

    await gemini.run()

    row = gemini.row()
    assert (row["cost_usd"], row["at_risk_usd"]) == (Decimal("0.04"), Decimal("0.02"))
    assert row["at_risk_attempts"] == 0
    gemini.check_money()


async def test_an_answer_without_an_image_is_at_risk_at_the_users_price(
    gemini: Desk, shop: Shop
) -> None:
    gemini.prices = {**gemini.prices, "gemini": AGREED}
    google(shop, FLAT, TOKENS, data=b"")

    await gemini.run()

    row = gemini.row()
    assert (row["status"], row["cost_usd"]) == ("failed", None)
    assert row["at_risk_usd"] == row["at_risk_attempts"] * FLAT > 0
    gemini.check_money()


async def test_a_delivery_that_states_nothing_costs_the_least_that_the_list_says(
    gemini: Desk, shop: Shop
) -> None:
    price = listed_price()
    google(shop, Decimal("0.041"), None)

    await gemini.run()

    row = gemini.row()
    rest = price.ceiling - price.floor
    assert (row["status"], row["cost_basis"]) == ("succeeded", "price_list")
    assert (row["cost_usd"], row["at_risk_usd"]) == (price.floor, rest)
    assert row["at_risk_attempts"] == 0
    totals = gemini.totals()
    assert (totals.spent, totals.at_risk) == (to_nano(price.floor), to_nano(rest))
    assert totals.at_risk_attempts == 0
    purchases = pl.read_parquet(gemini.out / "attempts.parquet").to_dicts()
    assert [
        (purchase["cost_usd"], purchase["at_risk_usd"]) for purchase in purchases
    ] == [(price.floor, rest)]
    gemini.check_money()


async def test_what_is_uncertain_counts_for_the_budget_of_this_and_of_later_runs(
    gemini: Desk, shop: Shop
) -> None:
    google(shop, Decimal("0.05"), None)
    gemini.write("a cup", "a jug", "a pan", "a pot")
    ceiling = listed_price().ceiling
    limit = ceiling * 5 / 2  # room for a third, if only floors counted

    for _ in range(2):
        outcome = await gemini.run(max_cost=limit)

        assert outcome.error is not None
        assert outcome.error.kind == "budget_reached"
        assert len(shop.buys) == 2
    totals = gemini.totals()
    assert totals.spent + totals.at_risk == to_nano(2 * ceiling)
    gemini.check_money()


async def test_a_charge_above_the_ceiling_raises_what_is_uncertain(
    gemini: Desk, shop: Shop
) -> None:
    price = listed_price()
    gemini.write("a cup")
    google(shop, price.ceiling, None)
    await gemini.run()
    dear = {**TOKENS, "thoughtsTokenCount": 20_000}
    google(shop, BY_TOKENS + 20_000 * Decimal("0.0000075"), dear)
    gemini.write("a cup", "a jug")

    await gemini.run()

    dearest = BY_TOKENS + Decimal("0.15")
    assert gemini.totals().at_risk == to_nano(dearest - price.floor)
    gemini.check_money()


async def test_what_a_token_costs_is_known_of_the_model_that_was_asked_alone(
    gemini: Desk, shop: Shop
) -> None:
    pro = "gemini-3-pro-image"
    google(shop, Decimal("0.1344"), TOKENS)

    await gemini.run(terms=gemini.wide("gemini", 1, model=pro))

    row, price = gemini.row(), listed_price(pro)
    assert (row["cost_usd"], row["cost_basis"]) == (Decimal("0.134"), "price_list")
    assert row["at_risk_usd"] == price.ceiling - price.floor
    gemini.check_money()


async def test_rates_that_the_user_gives_make_any_models_tokens_money(
    gemini: Desk, shop: Shop
) -> None:
    rates = {"input_token": Decimal(0), "image_token": Decimal("0.00012")}
    google(shop, Decimal("0.1344"), TOKENS)
    terms = gemini.wide("gemini", 1, model="gemini-3-pro-image", rates=rates)

    await gemini.run(terms=terms)

    row = gemini.row()
    assert (row["cost_usd"], row["cost_basis"]) == (Decimal("0.1344"), "reported")
    gemini.check_money()
