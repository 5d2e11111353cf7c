"""Kind j: agreed prices, charges that are stated, and gateways that charge for less."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import CREDITS, answer_of, encoded, error, inline, link_of
from tests.cases.server import NO_ANSWER, PRICE, Answer, Request, draw

FLAT = Decimal("0.055")
ROWS = [f"r{number:02}" for number in range(6)]
TOKENS = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 1120,
    "totalTokenCount": 1130,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
}
IN_SNAKE_CASE = {
    "prompt_token_count": 10,
    "candidates_token_count": 1120,
    "total_token_count": 1130,
    "candidates_tokens_details": [{"modality": "IMAGE", "token_count": 1120}],
}
PICTURE = answer_of([inline(draw("x"))]).body
OPENAI = {"data": [{"b64_json": encoded(draw("x"))}]}
assert isinstance(PICTURE, dict)

FLAT_PRICES = {
    "j-reseller-flat-price": ("gemini", replies.load("j-reseller-flat-price")),
    "snake_case": (
        "gemini",
        Answer(200, {**PICTURE, "usage_metadata": IN_SNAKE_CASE}),
    ),
    "many thoughts": (
        "gemini",
        Answer(
            200, {**PICTURE, "usageMetadata": {**TOKENS, "thoughtsTokenCount": 90000}}
        ),
    ),
    "openai tokens": (
        "openai",
        Answer(200, {**OPENAI, "usage": {"input_tokens": 9, "output_tokens": 6208}}),
    ),
    "aimlapi credits": (
        "aimlapi",
        Answer(
            200,
            {
                "data": [{"url": link_of("x")}],
                "meta": {"usage": {"credits_used": 3 * CREDITS}},
            },
        ),
    ),
    "nothing stated": ("openai", Answer(200, OPENAI)),
}


@pytest.mark.parametrize(("provider", "answer"), FLAT_PRICES.values(), ids=FLAT_PRICES)
def test_a_price_that_was_given_stands_above_usage(
    market: Market, provider: str, answer: Answer
) -> None:
    customer = market.open(provider, price=FLAT)
    customer.services[provider].gate = lambda _: replace(answer, charge=FLAT)
    customer.write(ROWS)
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert {row["cost_usd"] for row in outcome.rows.values()} == {FLAT}
    assert outcome.spent == outcome.bill == 6 * FLAT, outcome.explain()
    assert outcome.at_risk == 0, outcome.explain()


@pytest.mark.parametrize("name", ["j-reseller-flat-price", "aimlapi credits"])
def test_a_budget_at_a_price_that_was_given_is_kept(market: Market, name: str) -> None:
    provider, answer = FLAT_PRICES[name]
    customer = market.open(provider, price=FLAT)
    customer.services[provider].gate = lambda _: replace(answer, charge=FLAT)
    customer.write(ROWS)
    outcome = customer.run("--max-cost", "0.23", within_s=30)
    assert outcome.code == 4, outcome.explain()
    assert outcome.count("succeeded") == 4, outcome.explain()
    assert outcome.bill == 4 * FLAT


def test_a_charge_in_money_stands_above_a_price_that_was_given(market: Market) -> None:
    customer = market.open("apiai", price=FLAT)
    headers = {"X-Cost": "0.07", "Content-Type": "image/png"}
    answer = Answer(200, draw("x"), headers, charge=Decimal("0.07"))
    customer.services["apiai"].gate = lambda _: answer
    customer.write(ROWS[:3])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert {row["cost_usd"] for row in outcome.rows.values()} == {Decimal("0.07")}
    assert {row["cost_basis"] for row in outcome.rows.values()} == {"reported"}


LIST_USD = {
    "gemini-nano-banana-2.1": Decimal("0.0336"),
    "gemini-3.1-flash-image": Decimal("0.067"),
}


def test_an_image_without_a_stated_charge_costs_what_the_list_says(
    market: Market,
) -> None:
    customer = market.open("gemini", price=None)
    service = customer.services["gemini"]

    def sell(request: Request) -> Answer:
        model = request.path.rpartition("/")[2].partition(":")[0]
        return Answer(200, PICTURE, charge=LIST_USD[model])

    service.gate = sell
    customer.write(ROWS[:3])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    for row in outcome.rows.values():
        assert row["at_risk_attempts"] == 0, outcome.explain()
        assert row["cost_usd"] is not None, outcome.explain()
    assert outcome.spent == outcome.bill, outcome.explain()


def html(status: int) -> Answer:
    page = f"<html><body><h1>{status} Gateway</h1></body></html>"
    return Answer(status, page, {"Content-Type": "text/html"})


BEHIND_A_GATEWAY = {
    "408": error(
        408,
        "litellm.Timeout: APITimeoutError - Request timed out. timeout: 3.0",
        type=None,
        code="408",
    ),
    "500 APIConnectionError": error(
        500, "litellm.APIConnectionError: OpenAIException - Connection error.", code=500
    ),
    "504": error(504, "upstream request timeout"),
    "503 timed out": error(503, "upstream timed out after 60000ms"),
    "502 reset": error(502, "read ECONNRESET"),
    "500 hang up": error(500, "socket hang up", type="upstream_error"),
    "500 deadline": error(500, "context deadline exceeded"),
    "500 in Chinese": error(500, "上游请求超时"),
    "504 page": html(504),
    "no answer": NO_ANSWER,
    "cut": Answer(200, {"data": []}, framing="cut"),
}


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        *zip(BEHIND_A_GATEWAY, ["nanobananaapi", "openai", "foxapi"] * 4, strict=False),
        *((name, "openai") for name in ("408", "500 deadline", "cut")),
    ],
)
def test_a_row_that_a_gateway_gave_up_may_be_charged(
    market: Market, name: str, provider: str
) -> None:
    answer = BEHIND_A_GATEWAY[name]
    customer, service = market.enter(provider)
    service.rows["odd"] = [replace(answer, charge=PRICE)]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=50)
    outcome.ends(3, odd="held", others="succeeded")
    assert service.purchases_of("odd") == 2, outcome.explain()
    assert outcome.rows["odd"]["at_risk_usd"] == 2 * PRICE, outcome.explain()
    assert outcome.rows["odd"]["error"] == "outcome_unknown", outcome.explain()


@pytest.mark.parametrize("name", ["408", "500 APIConnectionError", "504"])
def test_a_budget_holds_behind_a_gateway_that_gives_up(
    market: Market, name: str
) -> None:
    customer, service = market.enter("openai")
    service.gate = lambda _: replace(BEHIND_A_GATEWAY[name], charge=PRICE)
    customer.write([f"r{number:02}" for number in range(12)])
    outcome = customer.run("--max-cost", "0.20", within_s=60)
    assert outcome.code in {3, 4}, outcome.explain()
    assert outcome.bill <= Decimal("0.20"), outcome.explain()


def test_no_error_is_asked_again_without_end(market: Market) -> None:
    customer, service = market.enter("openai")
    service.rows["odd"] = [error(500, "Internal error")]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=60)
    outcome.ends(3, odd="failed", others="succeeded")
    assert service.purchases_of("odd") == 5, outcome.explain()


@pytest.mark.parametrize(
    ("provider", "places"),
    [("openai", "1"), ("openai", "16"), ("nanobananaapi", "16"), ("gemini", "1")],
)
def test_replies_that_nobody_can_use_do_not_buy_the_table(
    market: Market, provider: str, places: str
) -> None:
    customer, service = market.enter(provider)
    body = {"code": 0, "data": {"file_ref": "f-1"}, "images_made": 1}
    service.gate = lambda _: Answer(200, body, {"X-Cost": "0.05"}, charge=PRICE)
    customer.write([f"r{number:02}" for number in range(60)])
    outcome = customer.run("--concurrency", places, within_s=40)
    assert outcome.code == 1, outcome.explain()
    rows = Counter(request.row for request in service.purchases)
    assert 3 <= len(rows) <= int(places) + 3, outcome.explain()
    assert outcome.count("pending") >= 60 - len(rows), outcome.explain()
    assert outcome.kept, outcome.explain()
    assert outcome.spent + outcome.at_risk >= outcome.bill
