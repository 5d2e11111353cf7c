"""What holds for the replies of every provider, purchases and polls: one reader."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from batchgen import errors
from batchgen.errors import AttemptError, Charge
from batchgen.model import Accepted, Blob, Delivered, Json, Link, Next, Reply, Running
from batchgen.providers import PROVIDERS
from batchgen.providers.base import TaskProvider, UploadProvider
from tests.providers.expected import facts_of
from tests.providers.samples import ENDPOINT, reply

NONE, UNKNOWN = Charge.NONE, Charge.UNKNOWN
PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)
BASE64 = base64.b64encode(PNG).decode()
URI = f"data:image/png;base64,{BASE64}"
A, B = (f"https://cdn.example/{value}.png" for value in "ab")
TASKS = [
    name for name, provider in PROVIDERS.items() if isinstance(provider, TaskProvider)
]
FREE_FAILURES = [
    name for name, provider in PROVIDERS.items() if provider.defaults.failures_are_free
]
OTHERS = [name for name in PROVIDERS if name not in FREE_FAILURES]

every_provider = pytest.mark.parametrize("name", PROVIDERS)
every_task_provider = pytest.mark.parametrize("name", TASKS)


def bought(name: str, answer: Reply) -> Delivered | Accepted | AttemptError:
    try:
        return PROVIDERS[name].decode(answer)
    except AttemptError as error:
        return error


def failed(name: str, body: Json, status: int = 200) -> AttemptError:
    error = bought(name, reply(body, status))
    assert isinstance(error, AttemptError), error
    return error


def polled(
    name: str, task: dict[str, Json]
) -> Delivered | Running | Next | AttemptError:
    """Return what a poll says whose task is this, in the provider's envelope."""
    provider = PROVIDERS[name]
    assert isinstance(provider, TaskProvider)
    document = json.dumps({"id": "task-1", **task})
    shown = facts_of(name).answers.task.replace("$DOCUMENT", document)
    try:
        return provider.decode_poll(reply(json.loads(shown)), ENDPOINT)
    except AttemptError as error:
        return error


# -- a status that a 200's body states


SHAPES: dict[str, Callable[[int], Json]] = {
    "error-code": lambda value: {"error": {"code": value, "message": "no"}},
    "error-code-text": lambda value: {"error": {"code": str(value), "message": "no"}},
    "error-status": lambda value: {"error": {"status": value, "message": "no"}},
    "code": lambda value: {"code": value, "message": "no", "data": None},
    "code-text": lambda value: {"code": f"{value} oops", "message": "no"},
    "status": lambda value: {"status": value, "detail": "no"},
    "status-code": lambda value: {"statusCode": str(value), "message": "no"},
}
FREE: dict[int, type[AttemptError]] = {
    401: errors.CredentialRejected,
    402: errors.OutOfCredit,
    403: errors.CredentialRejected,
    404: errors.ModelGone,
    429: errors.Throttled,
    503: errors.ProviderDown,
}
NAMED: dict[str, type[AttemptError]] = {
    "UNAUTHENTICATED": errors.CredentialRejected,
    "PERMISSION_DENIED": errors.CredentialRejected,
    "NOT_FOUND": errors.ModelGone,
    "RESOURCE_EXHAUSTED": errors.Throttled,
    "UNAVAILABLE": errors.ProviderDown,
}


@every_provider
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("status", FREE)
def test_a_status_in_a_200_is_read_as_that_status(
    name: str, shape: str, status: int
) -> None:
    error = failed(name, SHAPES[shape](status))

    assert (type(error), error.charge) == (FREE[status], NONE)


@every_provider
@pytest.mark.parametrize("word", NAMED)
def test_googles_names_are_statuses_too(name: str, word: str) -> None:
    error = failed(name, {"error": {"status": word, "message": "no"}})

    assert (type(error), error.charge) == (NAMED[word], NONE)


@every_provider
@pytest.mark.parametrize("status", [400, 408, 409, 422, 500, 502, 504])
@pytest.mark.parametrize("shape", ["error-code", "code"])
def test_any_other_status_in_a_200_may_have_been_charged(
    name: str, shape: str, status: int
) -> None:
    assert failed(name, SHAPES[shape](status)).charge is UNKNOWN


@every_provider
@pytest.mark.parametrize(
    "used",
    [
        pytest.param({"usage": {"total_tokens": 7}}, id="tokens"),
        pytest.param({"usage": {"generated_images": 1}}, id="images"),
        pytest.param({"meta": {"usage": {"credits_used": 5}}}, id="credits"),
        pytest.param({"data": {"credits_cost": 5}}, id="cost"),
    ],
)
def test_a_status_in_a_200_is_not_free_beside_what_was_used(
    name: str, used: dict[str, Json]
) -> None:
    for status in (429, 503):
        error = failed(name, {"error": {"code": status, "message": "busy"}, **used})

        # A purchase that counts, so that it is not tried without an end.
        assert isinstance(error, errors.OutcomeUnknown | errors.NoImage)
        assert error.charge in {UNKNOWN, Charge.REPORTED}
        assert error.counts


@every_provider
def test_a_status_in_a_200_is_free_beside_a_usage_of_nothing(name: str) -> None:
    body: Json = {"error": {"code": 429, "message": "no"}, "usage": {"tokens": 0}}

    assert failed(name, body).charge is NONE


@every_task_provider
def test_a_poll_that_states_a_status_asks_again_or_loses_the_task(name: str) -> None:
    provider = PROVIDERS[name]
    assert isinstance(provider, TaskProvider)
    kinds: dict[int, type[AttemptError]] = {
        401: errors.CredentialRejected,
        404: errors.TaskLost,
        429: errors.Throttled,
        503: errors.ProviderDown,
    }
    for status, kind in kinds.items():
        with pytest.raises(kind):
            provider.decode_poll(
                reply({"error": {"code": status, "message": "no"}}), ENDPOINT
            )


# -- out of credit, account, key, model


@every_provider
@pytest.mark.parametrize("status", [400, 401, 402, 403, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"code": "insufficient_user_quota", "message": "预扣失败"}),
        pytest.param({"error": {"message": "余额不足，请充值"}}, id="chinese"),
        pytest.param({"detail": "Exhausted balance"}, id="detail"),
        pytest.param({"detail": [{"msg": "Not enough credits"}]}, id="details"),
        pytest.param(
            {"error": {"message": "Your prepayment credits are used up."}}, id="prepaid"
        ),
        pytest.param(
            {
                "error": {
                    "message": "Budget has been exceeded",
                    "type": "budget_exceeded",
                }
            },
            id="budget",
        ),
        pytest.param("Guthaben aufgebraucht", id="text"),
    ],
)
def test_words_that_say_no_credit_are_that_under_any_status(
    name: str, status: int, body: Json
) -> None:
    error = failed(name, body, status)

    assert (type(error), error.charge) == (errors.OutOfCredit, NONE)
    assert isinstance(error, errors.ProviderStopped)
    assert error.is_certain


@every_provider
def test_a_free_tier_of_nothing_is_no_matter_of_pace(name: str) -> None:
    words = "Quota exceeded for metric: free_tier_requests, limit: {}. Retry in 3s."
    zero: Json = {"error": {"code": 429, "message": words.format(0)}}
    some: Json = {"error": {"code": 429, "message": words.format(20)}}

    assert type(failed(name, zero, 429)) is errors.OutOfCredit
    slow = failed(name, some, 429)
    assert (type(slow), slow.retry_after_s) == (errors.Throttled, 3.0)


@every_provider
@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize(
    "words",
    [
        "Your account has been suspended for violating our content policy",
        "This model is not available in your country",
        "PUP_LIMITED_DISABLED",
        "您的账号已被封禁",
    ],
)
def test_an_account_that_is_closed_is_no_rows_fault(
    name: str, status: int, words: str
) -> None:
    error = failed(name, {"error": {"message": words}}, status)

    assert isinstance(error, errors.CredentialRejected)
    assert error.is_certain


@every_provider
@pytest.mark.parametrize(
    ("status", "words", "is_certain"),
    [
        (401, "no", True),
        (403, "Forbidden", False),
        (403, "Invalid API key", True),
        (403, "无效的令牌", True),
        (400, "API key not valid", True),
    ],
)
def test_a_key_is_blamed_for_certain_where_words_or_a_401_do(
    name: str,
    status: int,
    words: str,
    is_certain: bool,  # noqa: FBT001 - a column of the table
) -> None:
    error = failed(name, {"error": {"message": words}}, status)

    assert isinstance(error, errors.CredentialRejected)
    assert error.is_certain is is_certain


@every_provider
@pytest.mark.parametrize("status", [400, 403, 404, 422, 500, 503])
def test_a_model_that_is_called_unknown_is_gone_under_any_status(
    name: str, status: int
) -> None:
    error = failed(name, {"error": {"message": "The model `x` does not exist"}}, status)

    assert isinstance(error, errors.ModelGone)
    assert not error.is_certain
    assert error.may_pass is (status >= 500)


@every_provider
def test_a_row_that_asks_for_more_than_a_minutes_limit_is_not_throttled(
    name: str,
) -> None:
    words = "Request too large on tokens per min: Limit {}, Requested {}. Shorten it."

    above = failed(name, {"error": {"message": words.format("20,000", 47463)}}, 429)
    smaller = failed(name, {"error": {"message": words.format(20000, 463)}}, 429)

    assert (type(above), above.charge) == (errors.RequestInvalid, NONE)
    assert type(smaller) is errors.Throttled


# -- refusals


REFUSALS: list[Json] = [
    {"error": {"code": "sensitive_words_detected", "message": "no"}},
    {"error": {"code": "OutputImageSensitiveContentDetected", "message": "no"}},
    {"error": {"type": "content-policy-violation", "message": "no"}},
    {"error": {"message": "提示词违规，内容审核没有通过"}},
    {"code": "DataInspectionFailed", "message": "no"},
    {"detail": [{"loc": ["body"], "msg": "no", "type": "content_policy_violation"}]},
    {"detail": "The prompt was flagged by moderation"},
    {"message": "InputTextRiskDetection"},
]


@every_provider
@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize("body", REFUSALS)
def test_a_refusal_is_one_however_it_is_spelled(
    name: str, status: int, body: Json
) -> None:
    error = failed(name, body, status)

    assert (type(error), error.charge) == (errors.Refused, NONE)


@every_provider
@pytest.mark.parametrize("body", REFUSALS)
def test_a_refusal_in_a_200_may_have_been_charged(name: str, body: Json) -> None:
    error = failed(name, body)

    assert (type(error), error.charge) == (errors.Refused, UNKNOWN)


@every_task_provider
@pytest.mark.parametrize("status", ["failed", "error", "rejected", "strange"])
@pytest.mark.parametrize(
    "error",
    [
        {"code": "sensitive_words_detected", "message": "no"},
        {"code": 400, "message": "OutputImageSensitiveContentDetected"},
        "提示词违规",
    ],
)
def test_a_tasks_error_is_read_for_refusals_as_a_purchases_is(
    name: str, status: str, error: Json
) -> None:
    assert isinstance(polled(name, {"status": status, "error": error}), errors.Refused)


@every_provider
@pytest.mark.parametrize(
    "body",
    [
        {"candidates": [{"finish_reason": "IMAGE_SAFETY", "finish_message": "no"}]},
        {"candidates": [{"finishReason": "MODEL_ARMOR"}]},
        {"candidates": [{"finishReason": "ESCALATION"}]},
        {"candidates": [{"finish_reason": "SAFETY"}]},
        {"prompt_feedback": {"block_reason": "PROHIBITED_CONTENT"}},
        {"choices": [{"finish_reason": "content_filter", "message": {"content": ""}}]},
        {"choices": [{"message": {"refusal": "It violates our usage policies"}}]},
    ],
)
def test_a_finish_reason_is_read_at_every_provider(name: str, body: Json) -> None:
    error = failed(name, body)

    assert (type(error), error.charge) == (errors.Refused, UNKNOWN)


@every_task_provider
@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("提示词违规", errors.Refused),
        ("Insufficient balance", errors.OutOfCredit),
        ("Task task-1 not found", errors.TaskLost),
    ],
)
def test_a_polls_error_is_read_by_its_words(
    name: str, status: int, words: str, kind: type[AttemptError]
) -> None:
    provider = PROVIDERS[name]
    assert isinstance(provider, TaskProvider)

    with pytest.raises(kind):
        provider.decode_poll(reply({"error": {"message": words}}, status), ENDPOINT)


@every_provider
def test_a_prompt_that_an_error_quotes_accuses_nobody(name: str) -> None:
    body: Json = {
        "detail": [
            {
                "loc": ["body", "size"],
                "msg": "Input should be one of 1K",
                "input": "nudity, insufficient balance, invalid api key",
            }
        ]
    }

    assert type(failed(name, body, 422)) is errors.RequestInvalid


# -- timeouts and connections behind a gateway


LITELLM: Json = {
    "error": {
        "message": "litellm.Timeout: APITimeoutError - Request timed out.",
        "type": None,
        "param": None,
        "code": "408",
    }
}


@every_provider
@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(408, LITELLM, id="litellm-timeout"),
        pytest.param(
            500,
            {"error": {"message": "litellm.APIConnectionError: Cannot connect"}},
            id="litellm-connection",
        ),
        pytest.param(502, {"message": "socket hang up"}, id="socket"),
        pytest.param(
            500, {"error": {"code": "ECONNRESET", "message": "x"}}, id="reset"
        ),
        pytest.param(503, {"error": "upstream server disconnected"}, id="disconnected"),
        pytest.param(503, "upstream request timeout", id="text"),
        pytest.param(499, {"message": "connection closed by client"}, id="client"),
    ],
)
def test_a_connection_lost_behind_a_gateway_is_an_unknown_outcome(
    name: str, status: int, body: Json
) -> None:
    error = failed(name, body, status)

    assert (type(error), error.charge) == (errors.OutcomeUnknown, UNKNOWN)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (408, "no"),
        (504, "no"),
        (524, "no"),
        (500, "The request timed out"),
        (503, "deadline exceeded"),
        (500, "请求超时"),
    ],
)
def test_a_timeout_is_an_unknown_outcome(name: str, status: int, words: str) -> None:
    error = failed(name, {"error": {"message": words}}, status)

    assert (type(error), error.charge) == (errors.OutcomeUnknown, UNKNOWN)


@pytest.mark.parametrize("name", FREE_FAILURES)
def test_a_timeout_is_free_where_failures_are_but_not_at_anothers_address(
    name: str,
) -> None:
    late = reply({"error": {"code": 504, "message": "Generation timeout"}}, 504)

    own, foreign = bought(name, late), bought(name, replace(late, is_own=False))

    assert isinstance(own, errors.ProviderDown)
    assert own.charge is NONE
    assert isinstance(foreign, errors.OutcomeUnknown)


@every_provider
def test_failures_are_free_where_the_documents_say_so_alone(name: str) -> None:
    assert (name in FREE_FAILURES) == facts_of(name).failures_are_free


@every_provider
@pytest.mark.parametrize("status", [409, 423, 425, 500, 502, 503])
def test_what_was_not_taken_passes_and_is_free(name: str, status: int) -> None:
    error = failed(name, {"error": {"message": "not now"}}, status)

    assert (type(error), error.charge) == (errors.ProviderDown, NONE)


@every_provider
def test_a_conflict_with_the_same_request_may_be_charged(name: str) -> None:
    error = failed(name, {"error": {"message": "request already in progress"}}, 409)

    assert (type(error), error.charge) == (errors.OutcomeUnknown, UNKNOWN)


# -- uploads buy nothing


UPLOADERS = [
    name for name, provider in PROVIDERS.items() if isinstance(provider, UploadProvider)
]


@pytest.mark.parametrize("name", UPLOADERS)
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"error": {"code": 503, "message": "busy"}}, 200, errors.ProviderDown),
        ({"error": {"code": 429, "message": "slow"}}, 200, errors.Throttled),
        ({"error": {"message": "Insufficient balance"}}, 403, errors.OutOfCredit),
        ({"error": {"message": "Invalid API key"}}, 403, errors.CredentialRejected),
        ({"url": "/relative.png"}, 200, errors.ReplyMalformed),
    ],
)
def test_an_upload_that_fails_is_read_as_a_purchase_is_and_bought_nothing(
    name: str, body: Json, status: int, kind: type[AttemptError]
) -> None:
    provider = PROVIDERS[name]
    assert isinstance(provider, UploadProvider)

    with pytest.raises(AttemptError) as caught:
        provider.decode_upload(reply(body, status))

    assert (type(caught.value), caught.value.charge) == (kind, NONE)


# -- no API at all


@every_provider
def test_a_page_or_a_redirect_asks_about_the_base_url(name: str) -> None:
    title = "<title>You are blocked</title>"
    page = failed(name, f"<!doctype html><html>{title}Welcome</html>")
    moved = bought(name, reply("", 302, {"location": "https://example.com/login"}))

    assert (type(page), page.charge) == (errors.WrongAddress, NONE)
    assert "(You are blocked)" in page.message
    assert "is the base URL right?" in page.message
    assert isinstance(moved, errors.WrongAddress)
    assert "https://example.com/login" in moved.message


# -- images in any shape


SHAPES_OF_IMAGES: dict[str, Json] = {
    "data-url": {"created": 1, "data": [{"url": A}]},
    "data-text": {"data": [A]},
    "data-one-text": {"data": A},
    "data-object": {"data": {"url": A}},
    "data-urls": {"data": {"urls": [A]}},
    "data-nested": {"data": {"data": [{"url": A}]}},
    "image-url": {"data": [{"image_url": A}]},
    "image-url-object": {"data": [{"type": "image_url", "image_url": {"url": A}}]},
    "images": {"images": [{"url": A, "width": 8, "content_type": "image/png"}]},
    "images-texts": {"images": [A]},
    "image": {"image": {"url": A}},
    "output": {"output": [A]},
    "output-image": {"output": {"image_urls": [A]}},
    "result": {"result": {"resultUrls": [A]}},
    "result-json": {"data": {"resultJson": f'{{"resultUrls": ["{A}"]}}'}},
    "camel": {"data": {"imageUrl": A}},
    "beside-an-echo": {
        "input": {"image_urls": [B]},
        "prompt": f"like {B}",
        "image_urls": [B],
        "thumbnail_url": B,
        "results": [{"url": A}],
    },
    "chat": {"choices": [{"message": {"images": [{"image_url": {"url": A}}]}}]},
    "objects-beside-a-prompt": {"images": [{"url": A}], "prompt": "p", "seed": 1},
    "object-beside-a-prompt": {"image": {"url": A}, "prompt": "p"},
    "output-url-beside-an-echo": {"image_urls": [B], "output_url": A},
    "sample": {"status": "Ready", "result": {"sample": A, "prompt": "p"}},
    "code-zero": {"code": 0, "message": "ok", "data": {"url": A}},
    "code-zero-text": {"code": "0", "data": A},
    "file-beside-a-message": {"code": 200, "msg": "ok", "url": A},
    "white-space": {"data": [{"url": f" {A}\r\n"}]},
    "json-in-a-body": {"statusCode": 200, "body": f'{{"data": [{{"url": "{A}"}}]}}'},
    "list": [{"url": A}],
    "list-of-texts": [A],
}
SHAPES_OF_BYTES: dict[str, Json] = {
    "bytes": Blob(PNG),
    "b64-json": {"data": [{"b64_json": Blob(PNG), "url": None}]},
    "b64-json-text": {"data": [{"b64_json": BASE64}]},
    "data-uri": {"data": [{"url": URI}]},
    "data-uri-in-b64-json": {"data": [{"b64_json": URI}]},
    "raw-base64": {"data": [BASE64]},
    "raw-base64-in-image": {"image": BASE64},
    "raw-base64-body": BASE64,
    "image-base64": {"image_base64": BASE64},
    "image-bytes": {"generatedImages": [{"image": {"imageBytes": BASE64}}]},
    "binary-data": {"data": {"binary_data_base64": [BASE64], "image_urls": None}},
    "base64-as-a-text": {"choices": [{"message": {"content": BASE64}}]},
    "responses": {
        "output": [{"type": "image_generation_call", "result": BASE64}],
    },
    "text-of-bytes": {
        "candidates": [{"content": {"parts": [{"text": Blob(PNG)}]}}],
    },
    "event": {"type": "image_generation.completed", "b64_json": Blob(PNG)},
    "events": [
        {"type": "image_generation.partial_image", "b64_json": Blob(b"draft")},
        {"type": "image_generation.completed", "b64_json": Blob(PNG)},
    ],
    "text": {"choices": [{"message": {"content": f"Here: ![x]({URI})"}}]},
    "google": {
        "candidates": [
            {"content": {"parts": [{"inline_data": {"data": Blob(PNG)}}]}},
        ]
    },
}


@every_provider
@pytest.mark.parametrize("shape", SHAPES_OF_IMAGES)
def test_a_link_is_found_in_whatever_shape_it_comes(name: str, shape: str) -> None:
    answer = bought(name, reply(SHAPES_OF_IMAGES[shape]))

    assert isinstance(answer, Delivered), answer
    assert answer.images == (Link(A),)


@every_provider
@pytest.mark.parametrize("shape", SHAPES_OF_BYTES)
def test_an_image_is_found_in_whatever_shape_it_comes(name: str, shape: str) -> None:
    answer = bought(name, reply(SHAPES_OF_BYTES[shape]))

    assert isinstance(answer, Delivered), answer
    assert answer.images == (Blob(PNG),)


@every_provider
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"Your picture:\n\n![image]({A})\n", id="markdown"),
        pytest.param(f"[Download]({A})", id="markdown-file"),
        pytest.param(f"Done.\n{A}\n", id="line"),
        pytest.param(f'<img alt="" src="{A}">', id="html"),
    ],
)
@pytest.mark.parametrize("shape", ["chat", "google"])
def test_a_link_in_a_models_text_is_taken_and_marked(
    name: str, shape: str, text: str
) -> None:
    body: dict[str, Json] = {
        "chat": {"choices": [{"message": {"content": text}}]},
        "google": {"candidates": [{"content": {"parts": [{"text": text}]}}]},
    }

    answer = bought(name, reply(body[shape]))

    assert isinstance(answer, Delivered), answer
    assert answer.images == (Link(A, from_text=True),)


@every_provider
@pytest.mark.parametrize("key", ["url", "image", "data", "output", "result"])
def test_a_picture_in_a_text_where_a_link_belongs_is_taken(name: str, key: str) -> None:
    answer = bought(name, reply({key: f"![image]({A})"}))

    assert isinstance(answer, Delivered), answer
    assert answer.images == (Link(A, from_text=True),)


@every_provider
@pytest.mark.parametrize(
    "piece", ["\n", "![", "<img ", '<img src="', "](", "data:image/"]
)
def test_a_long_text_that_repeats_itself_is_read_in_no_time(
    name: str, piece: str
) -> None:
    text = piece * 20_000
    began = time.process_time()

    bought(name, reply({"candidates": [{"content": {"parts": [{"text": text}]}}]}))

    assert time.process_time() - began < 1


@every_provider
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"message": f"see {A}"}, id="message"),
        pytest.param({"error": {"message": "no", "url": A}}, id="error"),
        pytest.param({"input": {"image_urls": [A]}, "id": "r"}, id="input"),
        pytest.param({"request": {"image": A}, "message": "x"}, id="request"),
        pytest.param({"user": {"avatar": A, "url": A}}, id="user"),
        pytest.param({"thumbnail": A}, id="thumbnail"),
        pytest.param({"prompt": "p", "image_urls": [A]}, id="echo"),
        pytest.param({"message": "x", "url": "https://x.example/d"}, id="page"),
        pytest.param({"documentation_url": A, "message": "x"}, id="docs"),
        pytest.param({"status_url": A, "response_url": A}, id="queue"),
        pytest.param(
            {"choices": [{"message": {"content": "see [docs](https://x.example/d)"}}]},
            id="a-page-in-a-text",
        ),
    ],
)
def test_what_is_no_result_is_not_taken_for_one(name: str, body: Json) -> None:
    assert not isinstance(bought(name, reply(body)), Delivered)


@pytest.mark.parametrize(
    "name", [name for name in PROVIDERS if not facts_of(name).sends_drafts]
)
def test_links_beside_base64_are_both_delivered_in_their_order(name: str) -> None:
    body: Json = {"data": [{"url": A}, {"b64_json": Blob(PNG)}, {"url": B}]}

    answer = bought(name, reply(body))

    assert isinstance(answer, Delivered)
    assert answer.images == (Link(A), Blob(PNG), Link(B))


@pytest.mark.parametrize(
    "name", [name for name in PROVIDERS if not facts_of(name).sends_drafts]
)
def test_a_relative_link_is_kept_to_be_joined(name: str) -> None:
    body: Json = {"data": [{"url": "/files/a.png"}, {"url": "b.png"}]}

    answer = bought(name, reply(body))

    assert isinstance(answer, Delivered)
    assert answer.images == (Link("/files/a.png"), Link("b.png"))


@every_task_provider
@pytest.mark.parametrize("body", [Blob(PNG), BASE64, [{"url": A}]])
def test_a_poll_that_brings_the_image_itself_delivers_it(name: str, body: Json) -> None:
    provider = PROVIDERS[name]
    assert isinstance(provider, TaskProvider)

    answer = provider.decode_poll(reply(body), ENDPOINT)

    assert isinstance(answer, Delivered)
    assert len(answer.images) == 1


# -- the end of a task


RESULTS: dict[str, dict[str, Json]] = {
    "image-urls": {"result": {"image_urls": [A]}},
    "result-urls": {"resultUrls": [A]},
    "output-urls": {"output_urls": [A]},
    "top-image-urls": {"image_urls": [A]},
    "images": {"result": {"images": [{"url": [A]}]}},
    "output-text": {"output": A},
    "url": {"url": A},
}


@every_task_provider
@pytest.mark.parametrize("status", ["completed", "SUCCESS", "finished", "done"])
@pytest.mark.parametrize("shape", RESULTS)
def test_a_finished_task_delivers_its_links_under_any_name(
    name: str, status: str, shape: str
) -> None:
    task: dict[str, Json] = {"status": status, "progress": 100, **RESULTS[shape]}

    answer = polled(name, task)

    assert isinstance(answer, Delivered), answer
    assert answer.images == (Link(A),)


@every_task_provider
@pytest.mark.parametrize("status", ["failed", "timeout", "cancelled"])
def test_links_say_more_than_the_word_for_a_bad_end(name: str, status: str) -> None:
    links: Json = {"images": [{"url": [A]}]}
    task: dict[str, Json] = {"status": status, "result": links, "output": links}

    ended = polled(name, task)
    error = polled(name, {**task, "error": {"message": "no"}})

    assert isinstance(ended, Delivered)
    assert ended.images == (Link(A),)
    assert isinstance(error, AttemptError)


@every_task_provider
@pytest.mark.parametrize("status", ["published", "ALL_DONE", "delivered"])
def test_links_end_a_task_whose_word_nobody_lists(name: str, status: str) -> None:
    answer = polled(name, {"status": status, "result": {"image_urls": [A]}})

    assert isinstance(answer, Delivered)


@every_task_provider
@pytest.mark.parametrize(
    "task",
    [
        pytest.param({"status": "processing", "results": [{"url": A}]}, id="preview"),
        pytest.param({"status": "strange", "image_urls": [A]}, id="echo-perhaps"),
        pytest.param({"status": "strange", "input": {"url": A}}, id="echo"),
        pytest.param({"status": "strange", "progress": 100}, id="nothing"),
        pytest.param({"status": "strange", "error": None}, id="no-error"),
        pytest.param({"status": "strange", "error": {"code": 0, "message": ""}}),
        pytest.param({"status": "strange", "error": {"code": 0, "message": "ok"}}),
    ],
)
def test_a_task_without_a_sign_of_an_end_runs(name: str, task: dict[str, Json]) -> None:
    assert polled(name, task) == Running()


@every_task_provider
@pytest.mark.parametrize(
    "task",
    [
        pytest.param(
            {
                "status": "timeout",
                "progress": 100,
                "error": {"code": "timeout", "message": "took too long"},
            },
            id="timeout",
        ),
        pytest.param({"status": "timed-out"}, id="timeout-without-error"),
        pytest.param({"status": "expired"}, id="expired"),
        pytest.param({"status": "Error"}, id="error"),
        pytest.param({"status": "strange", "error": {"message": "no"}}, id="strange"),
        pytest.param({"status": "strange", "error": "no channel"}, id="strange-text"),
        pytest.param(
            {"status": "processing", "error": {"message": "no"}}, id="running-word"
        ),
        pytest.param(
            {"status": "finished", "results": [{"error": {"message": "no"}}]}, id="item"
        ),
    ],
)
def test_an_error_ends_a_task_whatever_its_word_is(
    name: str, task: dict[str, Json]
) -> None:
    if "results" in task:
        task = {**task, "result": {"images": task["results"]}}

    error = polled(name, task)

    assert isinstance(error, errors.GenerationFailed)
    assert error.charge is UNKNOWN


@every_task_provider
def test_an_items_error_does_not_lose_the_other_items(name: str) -> None:
    items: Json = [{"error": {"message": "no"}}, {"url": A}]

    answer = polled(
        name, {"status": "completed", "results": items, "result": {"images": items}}
    )

    assert isinstance(answer, Delivered)
    assert answer.images == (Link(A),)


def test_a_whole_number_with_a_fraction_is_that_number() -> None:
    task: Json = {"task_id": "t-1", "status": "submitted"}
    body: Json = {"code": Decimal("200.0"), "data": [task]}

    assert bought("gccai", reply(body)) == Accepted(handle="t-1")
    stated = failed("openai", {"error": {"code": Decimal("429.0"), "message": "no"}})
    assert isinstance(stated, errors.Throttled)


@every_task_provider
@pytest.mark.parametrize(
    "body",
    [
        {"code": 200, "data": [{"task_id": "t-1"}, {"task_id": "t-2"}]},
        {"data": {"id": "t-1"}, "tasks": [{"id": "t-1"}, {"id": "t-2"}]},
        {"task_ids": ["t-1", "t-2"]},
    ],
)
def test_every_task_of_a_purchase_is_kept(name: str, body: Json) -> None:
    answer = bought(name, reply(body))

    assert isinstance(answer, Accepted)
    assert answer.handle.split(" ")[0] == "t-1"
    assert answer.handle in {"t-1 t-2", "t-1"}


@every_task_provider
def test_two_tasks_of_one_purchase_are_both_kept(name: str) -> None:
    tasks: Json = [
        {"task_id": "t-1", "status": "submitted"},
        {"task_id": "t-2", "status": "submitted"},
    ]

    answer = bought(name, reply({"code": 200, "data": tasks}))

    assert answer == Accepted(handle="t-1 t-2")
