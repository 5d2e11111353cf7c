"""Kind b: one row's answer is a verdict on one row; everybody's stops the provider."""

from __future__ import annotations

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import PROVIDERS, error, wrong_key
from tests.cases.server import Answer, draw
from tests.providers.expected import facts_of

ROWS = [f"r{number:02}" for number in range(12)]
NOT_FOUND = replies.load("b-row-404-long-prompt")
PLAIN_404 = error(404, "Not found")
FORBIDDEN = error(403, "This request is not allowed")
PLACES = {"first": 0, "in the middle": 6, "last": 11}

POISON = {
    "gemini 404": ("gemini", NOT_FOUND),
    "openai 404": ("openai", PLAIN_404),
    "openai 403": ("openai", FORBIDDEN),
    "aimlapi 404": ("aimlapi", Answer(404, {"message": "Resource does not exist"})),
    "apiai 403": ("apiai", Answer(403, {"error": "forbidden"})),
    "foxapi 404": ("foxapi", error(404, "not found", type="not_found")),
    "gccai 403": (
        "gccai",
        error(403, "permission denied", type="permission_denied_error"),
    ),
    "nanobananaapi 404": ("nanobananaapi", Answer(404, {"code": 404, "message": "-"})),
}

PLACED = [
    *((name, place) for name in ("gemini 404", "openai 403") for place in PLACES),
    *zip([*POISON][1:], [*PLACES] * 3, strict=False),
]


@pytest.mark.parametrize(("name", "place"), sorted({*PLACED}))
def test_one_row_ends_alone(market: Market, name: str, place: str) -> None:
    provider, answer = POISON[name]
    customer, service = market.enter(provider)
    poison = ROWS[PLACES[place]]
    service.rows[poison] = [answer]
    customer.write(ROWS)
    outcome = customer.run(within_s=40)
    outcome.ends(3, **{poison: "failed", "others": "succeeded"})
    assert service.purchases_of(poison) <= 3, outcome.explain()
    assert len(service.purchases) <= len(ROWS) + 2
    assert outcome.at_risk == 0, outcome.explain()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_model_that_nobody_has_stops_at_the_second_row(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    service.gate = lambda _: error(404, "there is no such thing here")
    customer.write(ROWS)
    outcome = customer.run(within_s=30)
    outcome.ends(1, others="pending")
    rows = [request.row for request in service.purchases]
    assert 1 <= len(rows) <= 3, outcome.explain()
    assert "there is no such thing here" in outcome.terminal
    assert outcome.at_risk == 0


@pytest.mark.parametrize("provider", ["openai", "apiai", "foxapi", "nanobananaapi"])
def test_a_key_that_everybody_is_refused_with_stops_at_the_second_row(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    service.gate = lambda _: FORBIDDEN
    customer.write(ROWS)
    outcome = customer.run(within_s=30)
    outcome.ends(5, others="pending")
    rows = {request.row for request in service.purchases}
    assert len(rows) == 2, outcome.explain()
    assert len(service.purchases) <= 3, outcome.explain()
    assert "This request is not allowed" in outcome.terminal


UNKNOWN_MODEL = {
    "openai 503": (
        "openai",
        error(
            503,
            "No available channel for model gpt-image-9 under group default",
            type="new_api_error",
            code="model_not_found",
        ),
    ),
    "openai 400": (
        "openai",
        error(400, "The model 'gpt-image-9' does not exist", code="model_not_found"),
    ),
    "foxapi 422": ("foxapi", error(422, "unknown model: nano", type="x")),
    "gemini 404": (
        "gemini",
        error(404, "models/nano is not found for API version v1beta", code=404),
    ),
    "nanobananaapi 200": (
        "nanobananaapi",
        Answer(200, {"code": 404, "message": "model not found: nano"}),
    ),
}


@pytest.mark.parametrize(
    ("provider", "answer"), UNKNOWN_MODEL.values(), ids=UNKNOWN_MODEL
)
def test_a_model_name_that_is_called_unknown_stops_the_provider(
    market: Market, provider: str, answer: Answer
) -> None:
    customer, service = market.enter(provider)
    service.gate = lambda _: answer
    customer.write(ROWS)
    outcome = customer.run(within_s=30)
    outcome.ends(1, others="pending")
    assert len(service.purchases) <= 3, outcome.explain()
    assert "model" in outcome.terminal
    assert outcome.at_risk == 0


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("provider", ["gemini", "openai", "gccai"])
def test_after_a_success_three_rows_in_turn_stop(
    market: Market, provider: str, status: int
) -> None:
    customer, service = market.enter(provider)
    service.gate = lambda _: (
        error(status, "went away over night") if len(service.purchases) > 3 else None
    )
    customer.write(ROWS)
    outcome = customer.run("--concurrency", "1", within_s=30)
    assert outcome.code == (5 if status == 403 else 1), outcome.explain()
    assert outcome.count("succeeded") == 3
    assert outcome.count("pending") == 9, outcome.explain()
    assert len(service.purchases) == 6, outcome.explain()
    assert "went away over night" in outcome.terminal


def test_rows_that_stopped_a_run_are_not_asked_first_by_the_next(
    market: Market,
) -> None:
    customer, service = market.enter("gemini")
    service.rows = {"r00": [NOT_FOUND], "r01": [NOT_FOUND]}
    customer.write(ROWS)
    first = customer.run(within_s=30)
    assert first.code == 1, first.explain()
    assert first.count("pending") == 12
    second = customer.run(within_s=30)
    second.ends(3, r00="failed", r01="failed", others="succeeded")
    assert len(service.purchases) <= 2 + 12 + 2


TOO_LARGE = {
    "b-row-429-too-large": ("openai", replies.load("b-row-429-too-large")),
    "tokens": (
        "gemini",
        error(
            429,
            "The request asks for 1300000 tokens, which is more than the limit of "
            "1000000 tokens per minute.",
            code=429,
            status="RESOURCE_EXHAUSTED",
        ),
    ),
    "requested more": (
        "aimlapi",
        Answer(429, {"message": "Requested more than the limit: 90000 > 30000"}),
    ),
    "too large for the model": (
        "foxapi",
        error(
            429,
            "Request too large for this model (TPM): Limit 30000, Requested 45000.",
            type="rate_limit_error",
        ),
    ),
    "too large at nanobananaapi": (
        "nanobananaapi",
        Answer(
            429,
            {"code": 429, "message": "Request too large: limit 2000, requested 5120"},
        ),
    ),
}


@pytest.mark.parametrize(
    ("name", "place"), [*zip(TOO_LARGE, [*PLACES, "last", "first"], strict=True)]
)
def test_a_row_above_the_limit_of_a_minute_ends_alone(
    market: Market, name: str, place: str
) -> None:
    provider, answer = TOO_LARGE[name]
    customer, service = market.enter(provider)
    large = ROWS[PLACES[place]]
    service.rows[large] = [answer]
    customer.write(ROWS)
    outcome = customer.run(within_s=30)
    outcome.ends(3, **{large: "failed", "others": "succeeded"})
    assert service.purchases_of(large) <= 3, outcome.explain()
    others = [purchase.at_s for purchase in service.purchases if purchase.row != large]
    assert max(others) - min(others) < 10, "others were slowed"
    assert outcome.at_risk == 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_wrong_key_costs_few_requests(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    service.gate = lambda _: wrong_key(provider)
    customer.write([f"r{number:02}" for number in range(40)])
    outcome = customer.run(within_s=30)
    outcome.ends(5, others="pending")
    assert len(service.purchases) <= 3, outcome.explain()
    assert facts_of(provider).key_variable in outcome.terminal
    assert outcome.at_risk == 0


def test_no_edit_endpoint_refuses_rows_with_references_alone(market: Market) -> None:
    customer, service = market.enter("openai")
    service.paths["/v1/images/edits"] = [
        Answer(404, {"detail": "Not Found"}),
    ]
    (customer.folder / "ref.png").write_bytes(_reference())
    lines = [
        f"{row},a picture of a {row},{'ref.png' if number % 3 == 1 else ''}"
        for number, row in enumerate(ROWS)
    ]
    text = "\n".join(["id,prompt,references", *lines, ""])
    (customer.folder / "m.csv").write_text(text, "utf-8")
    outcome = customer.run(within_s=30)
    edited = {row: "failed" for number, row in enumerate(ROWS) if number % 3 == 1}
    statuses = outcome.statuses()
    assert outcome.code == 3, outcome.explain()
    for row in ROWS:
        allowed = {"failed", "invalid"} if row in edited else {"succeeded"}
        assert statuses[row] in allowed, outcome.explain()
    assert outcome.at_risk == 0


def _reference() -> bytes:
    return draw("reference", 64)
