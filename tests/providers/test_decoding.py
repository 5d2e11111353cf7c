from __future__ import annotations

import pickle
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.decoding import (
    blames_model,
    describe,
    policy_reason,
    retry_after_s,
    text_of,
    words_of,
)
from batchgen.errors import AttemptError, Charge, Permanent
from batchgen.model import Accepted, Blob, Delivered, Json, Reply, Running
from batchgen.providers import PROVIDERS
from batchgen.providers.foxapi import FoxApi

Answer = Delivered | Accepted | Running
DECODERS: dict[str, Callable[[Reply], Answer]] = {
    "aimlapi": PROVIDERS["aimlapi"].decode,
    "foxapi-submit": PROVIDERS["foxapi"].decode,
    "foxapi-poll": FoxApi().decode_poll,
}

KEYS = (
    *("data", "url", "b64_json", "meta", "usage", "credits_used", "message", "error"),
    *("requestId", "id", "task_id", "status", "results", "output", "urls", "code"),
    *("task_info", "estimated_time", "type", "details"),
)
WORDS = (
    *("completed", "failed", "pending", "cancelled", "https://x/y.png", "not_found"),
    *(
        "service_unavailable_error",
        "unsupported_advanced_options",
        "insufficient_quota",
    ),
    *("content_policy_violation", "invalid_image_url", "server_error"),
)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=None)
    | st.sampled_from(WORDS)
    | st.text(st.characters(), max_size=20)
    | st.binary(max_size=4).map(Blob),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=5
        )
    ),
    max_leaves=12,
)
BODIES = VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
STATUSES = st.sampled_from(
    [
        *(200, 201, 204, 301, 400, 401, 402, 403, 404),
        *(408, 410, 413, 422, 429, 500, 503),
    ]
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "x-inference-id", "location"]),
    st.text(max_size=12),
    max_size=3,
)


def outcome_of(decoder: str, reply: Reply) -> Answer | AttemptError:
    try:
        return DECODERS[decoder](reply)
    except AttemptError as error:
        return error


@pytest.mark.parametrize("decoder", DECODERS)
@given(status=STATUSES, headers=HEADERS, body=BODIES)
@settings(max_examples=300, deadline=None, database=None)
def test_whatever_comes_is_an_answer_or_an_error_that_can_be_treated(
    decoder: str, status: int, headers: dict[str, str], body: Json
) -> None:
    outcome = outcome_of(decoder, Reply(status, headers, body))

    if not isinstance(outcome, AttemptError):
        assert status < 300
        assert not isinstance(outcome, Delivered) or outcome.images
        return
    assert pickle.loads(pickle.dumps(outcome)).message == outcome.message
    assert f"{outcome.message}{outcome.request_id}".isprintable()
    polled = decoder == "foxapi-poll"
    if status < 300 and not polled:
        assert outcome.charge is not Charge.NONE  # a success is never surely free
    if polled and isinstance(outcome, Permanent):
        assert outcome.charge is Charge.UNKNOWN  # the task was bought before


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_stands_under_its_own_name(name: str) -> None:
    assert PROVIDERS[name].name == name


@pytest.mark.parametrize(
    "text",
    [
        "Your prompt was blocked: IMAGE_SAFETY",
        "finishReason: SAFETY",
        "No image generated (SAFETY)",
        "blockReason=PROHIBITED_CONTENT",
        "upstream stopped: IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "reason BLOCKLIST",
        "content_policy_violation",
        "This request violates our content policies",
        "The prompt violates Google's Generative AI Prohibited Use Policy",
        "It may violate our usage guidelines",
        "Your request was rejected as a result of our safety system.",
        "The safety system flagged it",
        "Image generation failed due to safety reasons",
        "blocked by Google's safety filters",
        "The image was flagged by moderation",
        "moderation_blocked",
        "Response blocked",
        "The output contains sexually explicit material",
        "NSFW content detected",
        "sensitive words detected",
        "Potentially unsafe prompt",
        "harmful content",
        "We cannot make this image for safety reasons",
        "This may be copyrighted",
    ],
)
def test_words_of_a_content_policy_are_recognized(text: str) -> None:
    assert policy_reason(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Internal server error",
        "Body validation error: prompt is required",
        "unsafe characters in JSON",
        "safety_filter_level must be one of BLOCK_NONE, BLOCK_ONLY_HIGH",
        "Invalid value for safety settings",
        "rejected: invalid value for safety_filter_level",
        "Additional properties are prohibited",
        "The moderation service is unavailable",
        "image_urls[0]: download blocked by robots.txt",
        "Request violates the rate limit policy of your plan",
        "Your IP is blocked",
        "Field names are case-sensitive",
        "Invalid content type: expected application/json",
        "No output was generated: OTHER",
        "NO_IMAGE",
        "MAX_TOKENS",
        "Failed while drawing 'A SAFETY HELMET on a peg'",
        "retry policy exhausted",
        "Failed while drawing 'a poster for road safety'",
        "Missing Content-Security-Policy",
        "explicit null is not allowed",
    ],
)
def test_an_ordinary_error_is_not_called_a_refusal(text: str) -> None:
    assert policy_reason(text) is None


@pytest.mark.parametrize(
    ("text", "blamed"),
    [
        ("Unknown model: gemini-2-flash", True),
        ("The model `gpt-x` does not exist", True),
        ("Model google/nano-banana-1 not found", True),
        ("model_not_found", True),
        ("The model is no longer available", True),
        ("The model is under maintenance", False),
        ("Invalid model parameters", False),
        ("The model does not support resolution 4K", False),
        ("Model is not available for 4K", False),
        ("Invalid aspect_ratio for model google/nano-banana-2", False),
        ("prompt is required", False),
    ],
)
def test_only_an_error_about_the_model_itself_blames_it(
    text: str,
    blamed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert blames_model(text) is blamed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("a\n b\x1b[31m\x00c\ud800", "a b [31m c", id="one-line"),
        pytest.param(["a", {"message": "b", "path": ["model"]}], "a; b (path: model)"),
        pytest.param({"code": "x", "n": 5}, "code: x"),
        pytest.param(Blob(b"x"), "", id="blob"),
        pytest.param(Decimal("NaN"), "", id="number"),
    ],
)
def test_words_come_out_on_one_printable_line(value: Json, text: str) -> None:
    assert text_of(value) == text


def test_a_value_nested_without_end_is_not_followed() -> None:
    value: Json = "deep"
    for _ in range(5000):
        value = [value]

    assert text_of(value) == ""
    assert describe(value) == "an array of 1"


def test_what_a_provider_says_stays_short() -> None:
    assert len(words_of({"message": ["word " * 400] * 50})) <= 1000


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("-7", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Sat, 21 Nov 2026 08:00:30 GMT", 30.0),
    ],
)
def test_a_wait_is_a_finite_time_or_none(said: str, seconds: float | None) -> None:
    headers = {"retry-after": said, "date": "Sat, 21 Nov 2026 08:00:00 GMT"}

    assert retry_after_s(headers) == seconds
