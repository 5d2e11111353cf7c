"""A model that is known to be off is refused before anything is sent."""

from __future__ import annotations

import base64
from decimal import Decimal

import pytest

from batchgen.model import Status
from batchgen.providers.gemini import Gemini
from tests.runs.desk import Desk
from tests.runs.shop import PNG, Answer, Request, Shop, as_json

pytestmark = pytest.mark.anyio

OFF = "gemini-3.1-flash-image"
WORDS = f"{OFF} was shut down on 2026-10-29; use gemini-nano-banana-2.1"


def picture(_: Request) -> Answer:
    image = {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}
    return as_json({"candidates": [{"content": {"parts": [{"inlineData": image}]}}]})


@pytest.fixture
def gemini(desk: Desk, shop: Shop) -> Desk:
    desk.others = {"gemini": Gemini()}
    desk.provider = "gemini"
    desk.prices = {**desk.prices, "gemini": Gemini.prices}
    shop.buy = picture
    return desk


async def test_rows_that_name_it_are_invalid_and_the_others_are_made(
    gemini: Desk, shop: Shop
) -> None:
    gemini.write_columns(
        prompt=["a cup", "a jug", "a pan"],
        model=[OFF, "", f"models/{OFF}"],
    )

    await gemini.run()

    rows = gemini.table()
    assert [row["status"] for row in rows] == ["invalid", "succeeded", "invalid"]
    assert WORDS in rows[0]["message"]
    assert WORDS in rows[2]["message"]
    assert len(shop.buys) == 1


async def test_a_job_that_names_it_sends_nothing(gemini: Desk, shop: Shop) -> None:
    gemini.write("a cup", "a jug")

    outcome = await gemini.run(terms=gemini.wide("gemini", 1, model=OFF))

    assert outcome.totals is not None
    assert outcome.totals.rows == {Status.INVALID: 2}
    assert all(WORDS in row["message"] for row in gemini.table())
    assert shop.requests == []


async def test_who_knows_better_may_try_it(gemini: Desk, shop: Shop) -> None:
    gemini.write("a cup")
    terms = gemini.wide("gemini", 1, model=OFF, shutdowns="ignore")

    await gemini.run(terms=terms)

    assert gemini.row()["status"] == "succeeded"
    assert [f"/models/{OFF}:" in buy.path for buy in shop.buys] == [True]
    assert any(WORDS.partition(";")[0] in notice for notice in gemini.notices)


async def test_a_row_that_was_bought_before_keeps_its_image(
    gemini: Desk, shop: Shop
) -> None:
    gemini.write_columns(prompt=["a cup"], model=[OFF])
    await gemini.run(terms=gemini.wide("gemini", 1, shutdowns="ignore"))

    await gemini.run()

    assert gemini.row()["status"] == "succeeded"
    assert len(shop.buys) == 1


async def test_a_budget_is_no_reason_to_ask_for_the_price_of_one(
    gemini: Desk, shop: Shop
) -> None:
    gemini.write("a cup")
    terms = gemini.wide("gemini", 1, model=OFF)

    outcome = await gemini.run(terms=terms, max_cost=Decimal(1))

    assert outcome.error is None
    assert WORDS in gemini.row()["message"]
    assert shop.requests == []


async def test_nobody_else_is_said_to_have_a_model_that_one_had(gemini: Desk) -> None:
    gemini.write_columns(prompt=["a cup"], model=[OFF])

    await gemini.run()

    assert WORDS in gemini.row()["message"]
