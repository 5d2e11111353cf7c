"""Kind g: a status that stands in a 200's body is read as that status."""

from __future__ import annotations

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import PROVIDERS, error
from tests.cases.judge import among_others, row_of
from tests.cases.server import PRICE, Answer


def within(code: object, message: str = "busy just now", **more: object) -> Answer:
    return Answer(200, {"error": {"code": code, "message": message, **more}})


PASSING = {
    "g-gemini-503-in-200": ("gemini", replies.load("g-gemini-503-in-200")),
    "gemini 429": ("gemini", within(429, "slow down", status="RESOURCE_EXHAUSTED")),
    "gemini by its name": (
        "gemini",
        Answer(200, {"error": {"message": "overloaded", "status": "UNAVAILABLE"}}),
    ),
    "gemini in an array": (
        "gemini",
        Answer(200, [{"error": {"code": 503, "message": "overloaded"}}]),
    ),
    "openai 503 as text": ("openai", within("503")),
    "openai 429": ("openai", within(429)),
    "openai event": (
        "openai",
        Answer(
            200,
            'data: {"error": {"code": 503, "message": "overloaded"}}\n\n',
            {"Content-Type": "text/event-stream"},
        ),
    ),
    "aimlapi statusCode": (
        "aimlapi",
        Answer(200, {"message": "Too Many Requests", "statusCode": "429"}),
    ),
    "aimlapi status": (
        "aimlapi",
        Answer(200, {"status": 503, "message": "maintenance"}),
    ),
    "apiai": ("apiai", Answer(200, {"error": "server busy", "code": 503})),
    "foxapi": ("foxapi", within(503)),
    "foxapi text": ("foxapi", within("429", type="rate_limit_error")),
    "gccai": ("gccai", Answer(200, {"code": 503, "message": "no channel"})),
    "gccai text": ("gccai", Answer(200, {"code": "429", "message": "slow down"})),
    "nano": ("nanobananaapi", Answer(200, {"code": 503, "message": "try again"})),
    "nano 429": ("nanobananaapi", Answer(200, {"code": 429, "message": "slow"})),
}


@pytest.mark.parametrize("provider", sorted({seller for seller, _ in PASSING.values()}))
def test_a_trouble_that_passes_is_free(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    answers = {
        name: answer for name, (seller, answer) in PASSING.items() if seller == provider
    }
    for name, answer in answers.items():
        service.rows[row_of(name)] = [
            answer,
            lambda request: service.dialect(service, request),
        ]
    customer.write(among_others(answers))
    outcome = customer.run("--max-unknown", "0", "--concurrency", "1", within_s=60)
    outcome.ends(0, others="succeeded")
    assert outcome.at_risk == 0, outcome.explain()
    for name in answers:
        assert service.purchases_of(row_of(name)) == 2, name


CREDIT = {
    "g-openai-402-in-200": ("openai", replies.load("g-openai-402-in-200")),
    "openai as text": ("openai", within("402", "payment needed")),
    "gemini": ("gemini", within(402, "payment needed", status="RESOURCE_EXHAUSTED")),
    "aimlapi": ("aimlapi", Answer(200, {"code": 402, "message": "payment needed"})),
    "apiai": ("apiai", Answer(200, {"code": 402, "error": "payment needed"})),
    "foxapi": ("foxapi", within(402, "payment needed")),
    "gccai": ("gccai", Answer(200, {"code": "402", "message": "payment needed"})),
    "nano": ("nanobananaapi", Answer(200, {"code": 402, "message": "payment needed"})),
}


@pytest.mark.parametrize(("provider", "answer"), CREDIT.values(), ids=CREDIT)
def test_no_credit_stops_the_provider(
    market: Market, provider: str, answer: Answer
) -> None:
    customer, service = market.enter(provider)
    service.gate = lambda _: answer
    customer.write([f"r{number:02}" for number in range(20)])
    outcome = customer.run(within_s=30)
    outcome.ends(5, others="pending")
    assert len(service.purchases) <= 3, outcome.explain()
    assert outcome.at_risk == 0
    message = "Not enough credits" if "Not" in str(answer.body) else "payment needed"
    assert message in outcome.terminal, outcome.explain()


@pytest.mark.parametrize("code", [401, "401"], ids=["number", "text"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_refused_key_stops_the_provider(
    market: Market, provider: str, code: object
) -> None:
    customer, service = market.enter(provider)
    service.gate = lambda _: Answer(
        200, {"code": code, "error": {"code": code, "message": "who are you"}}
    )
    customer.write([f"r{number:02}" for number in range(20)])
    outcome = customer.run(within_s=30)
    outcome.ends(5, others="pending")
    assert len(service.purchases) <= 3, outcome.explain()
    assert outcome.at_risk == 0


@pytest.mark.parametrize(
    ("provider", "code"), [("openai", 500), ("gemini", 503), ("aimlapi", 429)]
)
def test_what_shows_usage_beside_its_code_may_be_charged(
    market: Market, provider: str, code: int
) -> None:
    customer, service = market.enter(provider)
    body = {
        "error": {"code": code, "message": "the upstream broke"},
        "usage": {"input_tokens": 10, "output_tokens": 1120, "total_tokens": 1130},
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 1120},
        "meta": {"usage": {"credits_used": 100_000}},
    }
    service.rows["odd"] = [Answer(200, body, charge=PRICE)]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=40)
    assert outcome.code == 3, outcome.explain()
    assert outcome.count("succeeded") == 2
    assert service.purchases_of("odd") <= 2, outcome.explain()


@pytest.mark.parametrize("provider", ["openai", "gccai", "nanobananaapi"])
def test_a_server_error_within_a_200_may_be_charged(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    body = {"code": 500, "message": "it broke", "error": {"code": 500, "message": "x"}}
    service.rows["odd"] = [Answer(200, body, charge=PRICE)]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=40)
    assert outcome.code == 3, outcome.explain()
    assert outcome.count("succeeded") == 2
    assert service.purchases_of("odd") <= 2, outcome.explain()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_status_that_passes_is_asked_again(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    statuses = {str(status): status for status in (409, 423, 425, 499)}
    for name, status in statuses.items():
        passing = error(status, "not just now")
        service.rows[name] = [
            passing,
            lambda request: service.dialect(service, request),
        ]
    customer.write(among_others(statuses))
    # One after the other: several of them in turn would be an outage.
    outcome = customer.run("--concurrency", "1", within_s=60)
    outcome.ends(0, others="succeeded")
    for name in statuses:
        assert service.purchases_of(name) == 2, name


PAGE = Answer(
    200,
    "<!doctype html><html><body>Welcome</body></html>",
    {"Content-Type": "text/html; charset=utf-8"},
)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_web_page_asks_whether_the_base_url_is_right(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    service.gate = lambda _: PAGE
    customer.write([f"r{number:02}" for number in range(40)])
    outcome = customer.run(within_s=30)
    outcome.ends(1, others="pending")
    assert len(service.purchases) <= 5, outcome.explain()
    assert outcome.at_risk == 0, outcome.explain()
    assert "base URL" in outcome.terminal, outcome.explain()
