"""Kind a: an account without money stops its provider; rows stay and others go on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import PROVIDERS, error
from tests.cases.server import Answer, Request, Service

ROWS = [f"r{number:02}" for number in range(20)]
MAX_REQUESTS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """An answer that says that there is no money, and words of it to be shown."""

    provider: str
    answer: Answer
    message: str


def google(status: int, message: str, canonical: str = "RESOURCE_EXHAUSTED") -> Answer:
    return error(status, message, code=status, status=canonical)


CASES = {
    "a-credit-429-prepaid": Case(
        "gemini", replies.load("a-credit-429-prepaid"), "prepayment credits are used up"
    ),
    "a-credit-403-zh-quota": Case(
        "openai", replies.load("a-credit-403-zh-quota"), "余额不足"
    ),
    "a-credit-429-free-tier": Case(
        "gemini", replies.load("a-credit-429-free-tier"), "limit: 0"
    ),
    "gemini depleted": Case(
        "gemini",
        google(429, "Your prepayment credits are depleted. Manage your billing."),
        "prepayment credits are depleted",
    ),
    "gemini 400 billing": Case(
        "gemini",
        google(402, "Prepay balance is empty; add credits to continue."),
        "Prepay balance is empty",
    ),
    "openai hard limit": Case(
        "openai",
        error(
            400,
            "Billing hard limit has been reached",
            type="invalid_request_error",
            code="billing_hard_limit_reached",
        ),
        "Billing hard limit",
    ),
    "openai hard limit without its code": Case(
        "openai", error(400, "Billing hard limit has been reached."), "hard limit"
    ),
    "openai quota": Case(
        "openai",
        error(
            429,
            "You exceeded your current quota, please check your plan and billing.",
            type="insufficient_quota",
            code="insufficient_quota",
        ),
        "exceeded your current quota",
    ),
    "gateway quota": Case(
        "openai",
        error(
            429,
            "You exceeded your current quota, please check your plan and billing.",
            type="throttling_error",
            code="429",
        ),
        "exceeded your current quota",
    ),
    "gateway budget": Case(
        "openai",
        error(
            400,
            "Budget has been exceeded! Current cost: 2.5, Max budget: 2.0",
            type="budget_exceeded",
            code="400",
        ),
        "Budget has been exceeded",
    ),
    "detail of an exhausted balance": Case(
        "openai",
        Answer(403, {"detail": "User is locked. Reason: Exhausted balance."}),
        "Exhausted balance",
    ),
    "aimlapi documented": Case(
        "aimlapi",
        Answer(403, {"message": "You've run out of credits. Top up.", "path": "/v1"}),
        "run out of credits",
    ),
    "aimlapi zh under 400": Case(
        "aimlapi", Answer(400, {"message": "账户余额不足 请充值"}), "余额不足"
    ),
    "foxapi zh under 500": Case(
        "foxapi",
        error(
            500,
            "用户额度不足 剩余额度: 0.01",
            code="insufficient_user_quota",
            type="x",
        ),
        "额度不足",
    ),
    "foxapi arrears": Case("foxapi", error(403, "账号已欠费 请充值后重试"), "欠费"),
    "gccai code in a 200": Case(
        "gccai",
        Answer(
            200, {"code": 402, "error": {"message": "Insufficient account balance"}}
        ),
        "Insufficient account balance",
    ),
    "gccai quota of zero": Case(
        "gccai", error(429, "Quota exceeded for images. limit: 0"), "limit: 0"
    ),
    "nanobananaapi credits": Case(
        "nanobananaapi",
        Answer(400, {"code": 4003, "message": "积分不足 请购买积分"}),
        "积分不足",
    ),
    "nanobananaapi not enough": Case(
        "nanobananaapi",
        Answer(429, {"code": 1, "message": "Not enough credits left on this account"}),
        "Not enough credits",
    ),
    "apiai German": Case(
        "apiai", Answer(403, {"error": "Ihr Guthaben ist aufgebraucht"}), "Guthaben"
    ),
    "apiai Spanish": Case(
        "apiai", Answer(400, {"error": "Saldo insuficiente"}), "Saldo insuficiente"
    ),
    "apiai balance": Case(
        "apiai",
        Answer(402, {"error": "Insufficient balance", "code": "NO_FUNDS"}),
        "Insufficient balance",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_empty_account_stops_its_provider(market: Market, case: Case) -> None:
    customer, service = market.enter(case.provider)
    service.gate = lambda _: case.answer
    customer.write(ROWS)
    outcome = customer.run(within_s=30)
    outcome.ends(5, others="pending")
    assert len(service.purchases) <= MAX_REQUESTS, outcome.explain()
    assert case.message in outcome.terminal, outcome.explain()
    assert "API_KEY" not in outcome.stderr, outcome.explain()
    assert outcome.at_risk == 0, outcome.explain()
    errors = {row["error"] for row in outcome.rows.values()} - {None}
    assert errors <= {"out_of_credit"}, outcome.explain()


SHARED = {
    "prepaid at 429": ("gemini", replies.load("a-credit-429-prepaid")),
    "Chinese at 403": ("openai", replies.load("a-credit-403-zh-quota")),
    "free tier at 429": ("gemini", replies.load("a-credit-429-free-tier")),
    "402 within a 200": ("openai", replies.load("g-openai-402-in-200")),
    "task seller": ("foxapi", error(402, "no balance", type="insufficient_quota")),
}


@pytest.mark.parametrize(("first", "answer"), SHARED.values(), ids=SHARED)
def test_rows_move_on_to_the_next_provider(
    market: Market, first: str, answer: Answer
) -> None:
    customer = market.open(first, "aimlapi")
    customer.services[first].gate = lambda _: answer
    customer.write(ROWS[:10])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert {row["provider"] for row in outcome.rows.values()} == {"aimlapi"}
    assert len(customer.services["aimlapi"].purchases) == 10, outcome.explain()
    assert len(customer.services[first].purchases) <= MAX_REQUESTS


@pytest.mark.parametrize("provider", PROVIDERS)
def test_money_that_runs_out_in_mid_run_ends_no_row(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)

    def gate(_: Request) -> Answer | None:
        is_empty = len(service.purchases) > 4
        return error(403, "余额不足 请充值") if is_empty else None

    service.gate = gate
    customer.write(ROWS[:12])
    outcome = customer.run("--concurrency", "1", within_s=30)
    assert outcome.code == 5, outcome.explain()
    assert outcome.count("succeeded") == 4, outcome.explain()
    assert outcome.count("pending") == 8, outcome.explain()
    assert len(service.purchases) <= 4 + MAX_REQUESTS
    assert "余额不足" in outcome.terminal


PACE = {
    "a-not-credit-429-pace": ("gemini", replies.load("a-not-credit-429-pace")),
    "per minute": (
        "openai",
        error(
            429,
            "Rate limit reached for images per minute: limit 5, used 5, requested 1. "
            "Please try again in 1s.",
            type="requests",
            code="rate_limit_exceeded",
        ),
    ),
    "quota per minute": (
        "foxapi",
        Answer(
            429,
            {"error": {"message": "quota per minute exceeded, slow down"}},
            {"Retry-After": "1"},
        ),
    ),
    "concurrency": (
        "apiai",
        Answer(429, {"error": "Too many requests: 1 running"}, {"Retry-After": "1"}),
    ),
    "Chinese pace": (
        "gccai",
        Answer(429, {"code": 429, "message": "请求过于频繁"}, {"Retry-After": "1"}),
    ),
}


@pytest.mark.parametrize(("provider", "answer"), PACE.values(), ids=PACE)
def test_a_matter_of_pace_is_waited_for(
    market: Market, provider: str, answer: Answer
) -> None:
    customer, service = market.enter(provider)
    refuse_first(service, answer)
    customer.write(ROWS[:3])
    outcome = customer.run(within_s=30, haste=1)
    outcome.ends(0, others="succeeded")
    waited_s = service.purchases[-1].at_s - service.purchases[0].at_s
    assert 0.9 <= waited_s <= 15, outcome.explain()
    assert outcome.at_risk == 0


def refuse_first(service: Service, answer: Answer) -> None:
    service.gate = lambda _: answer if len(service.purchases) == 1 else None
