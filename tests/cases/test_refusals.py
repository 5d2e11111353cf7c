"""Kind i: a refusal is known by its message, in any spelling and under any status."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import PROVIDERS, error
from tests.cases.server import Answer


@dataclass(frozen=True, slots=True)
class Case:
    """How one prompt is refused, and words of it to be shown."""

    provider: str
    answer: Answer
    message: str


def google(**candidate: object) -> Answer:
    usage = {"promptTokenCount": 10, "totalTokenCount": 10}
    return Answer(200, {"candidates": [candidate], "usageMetadata": usage})


CASES = {
    "i-refusal-500-sensitive-words": Case(
        "openai",
        replies.load("i-refusal-500-sensitive-words"),
        "sensitive_words_detected",
    ),
    "i-refusal-400-camel-case": Case(
        "openai", replies.load("i-refusal-400-camel-case"), "sensitive information"
    ),
    "i-refusal-403-zh": Case("openai", replies.load("i-refusal-403-zh"), "提示词违规"),
    "i-refusal-snake-case-200": Case(
        "gemini", replies.load("i-refusal-snake-case-200"), "The image is not shown"
    ),
    "InputTextSensitiveContentDetected": Case(
        "aimlapi",
        error(400, "The text was stopped.", code="InputTextSensitiveContentDetected"),
        "The text was stopped",
    ),
    "kebab-case": Case(
        "apiai", Answer(400, {"error": "no", "code": "content-policy-violation"}), "no"
    ),
    "ContentPolicyViolationError": Case(
        "nanobananaapi",
        Answer(500, {"code": 500, "message": "litellm.ContentPolicyViolationError"}),
        "ContentPolicyViolationError",
    ),
    "detail with a type": Case(
        "foxapi",
        Answer(
            422,
            {
                "detail": [
                    {
                        "loc": ["body", "prompt"],
                        "msg": "The content could not be processed.",
                        "type": "content_policy_violation",
                    }
                ]
            },
        ),
        "could not be processed",
    ),
    "Chinese under 400": Case("gccai", error(400, "输入内容包含敏感词"), "敏感词"),
    "Chinese within a 200": Case(
        "nanobananaapi", Answer(200, {"code": 1001, "message": "图片内容违规"}), "违规"
    ),
    "moderation": Case(
        "openai",
        error(
            400,
            "Your request was rejected by the safety system.",
            code="moderation_blocked",
        ),
        "safety system",
    ),
    "ESCALATION": Case(
        "gemini", google(finishReason="ESCALATION", finishMessage="stopped"), "stopped"
    ),
    "MODEL_ARMOR": Case("gemini", google(finishReason="MODEL_ARMOR"), "MODEL_ARMOR"),
    "prompt_feedback": Case(
        "gemini",
        Answer(
            200,
            {
                "prompt_feedback": {"block_reason": "PROHIBITED_CONTENT"},
                "usage_metadata": {"prompt_token_count": 8, "total_token_count": 8},
            },
        ),
        "PROHIBITED_CONTENT",
    ),
    "promptFeedback": Case(
        "gemini",
        Answer(200, {"promptFeedback": {"blockReason": "BLOCKLIST"}}),
        "BLOCKLIST",
    ),
    "an item of a 200": Case(
        "aimlapi",
        Answer(
            200,
            {"data": [{"error": {"code": "content_policy_violation", "message": "x"}}]},
        ),
        "content_policy_violation",
    ),
    "risk control under 403": Case(
        "gccai", error(403, "内容审核不通过 请修改提示词"), "内容审核"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_refused_row_is_bought_once_and_blames_nobody(
    market: Market, case: Case
) -> None:
    customer, service = market.enter(case.provider)
    service.rows["odd"] = [case.answer]
    customer.write(["odd", "a", "z"])
    outcome = customer.run(within_s=30)
    outcome.ends(3, odd="refused", others="succeeded")
    assert service.purchases_of("odd") == 1, outcome.explain()
    assert case.message in outcome.terminal, outcome.explain()
    assert "API_KEY" not in outcome.stderr, outcome.explain()


DETAILS = {
    "text": Answer(422, {"detail": "prompt: at most 1000 letters"}),
    "list": Answer(
        422,
        {
            "detail": [
                {
                    "loc": ["body", "prompt"],
                    "msg": "at most 1000 letters",
                    "type": "string_too_long",
                }
            ]
        },
    ),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_refusals_and_details_are_read_everywhere(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    answer = replies.load("i-refusal-500-sensitive-words")
    service.rows = {name: [detail] for name, detail in DETAILS.items()}
    service.rows["chinese"] = [replies.load("i-refusal-403-zh")]
    service.rows["filter"] = [replace(answer, status=400)]
    customer.write(["chinese", "a", "filter", "b", "text", "c", "list", "d"])
    outcome = customer.run(within_s=30)
    refused = {"chinese": "refused", "filter": "refused"}
    outcome.ends(3, text="failed", list="failed", **refused, others="succeeded")
    assert len(service.purchases) == 8
    for name in DETAILS:
        assert "at most 1000 letters" in outcome.rows[name]["message"]
    assert "at most 1000 letters" in outcome.terminal, outcome.explain()


def test_an_account_that_is_disabled_is_no_refusal(market: Market) -> None:
    customer, service = market.enter("gemini")
    service.gate = lambda _: google(finishReason="PUP_LIMITED_DISABLED")
    customer.write([f"r{number}" for number in range(10)])
    outcome = customer.run(within_s=30)
    outcome.ends(5, others="pending")
    assert len(service.purchases) <= 3, outcome.explain()
