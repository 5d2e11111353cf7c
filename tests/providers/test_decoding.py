from __future__ import annotations

import pickle
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.errors import (
    AttemptError,
    Charge,
    OutcomeUnknown,
    Permanent,
    ProviderDown,
    ProviderStopped,
    Refused,
    RequestInvalid,
    Throttled,
)
from batchgen.model import Accepted, Blob, Delivered, Json, Next, Reply, Running
from batchgen.providers import PROVIDERS
from batchgen.providers._decoding import describe, message_of, stated_message, text_of
from batchgen.providers._reply_errors import error_by_text
from batchgen.providers.base import TaskProvider
from tests.providers.expected import facts_of
from tests.providers.samples import ENDPOINT

Answer = Delivered | Accepted | Running | Next
DECODERS: dict[str, Callable[[Reply], Answer]] = {
    **{name: provider.decode for name, provider in PROVIDERS.items()},
    **{
        f"{name}-poll": partial(provider.decode_poll, endpoint=ENDPOINT)
        for name, provider in PROVIDERS.items()
        if isinstance(provider, TaskProvider)
    },
}

KEYS = (
    *("data", "url", "b64_json", "meta", "usage", "credits_used", "message", "error"),
    *("requestId", "id", "task_id", "status", "results", "output", "urls", "code"),
    *("task_info", "estimated_time", "type", "details", "input_tokens"),
    *("output_tokens", "result", "images", "cost", "candidates", "content", "parts"),
    *("inlineData", "text", "finishReason", "promptFeedback", "blockReason"),
    *("usageMetadata", "candidatesTokenCount", "promptTokenCount", "retryDelay"),
)
WORDS = (
    *("completed", "failed", "pending", "cancelled", "https://x/y.png", "not_found"),
    *(
        "service_unavailable_error",
        "unsupported_advanced_options",
        "insufficient_quota",
    ),
    *("content_policy_violation", "invalid_image_url", "server_error", "0", "STOP"),
    *("model_not_found", "Invalid API key", "rate limit", "num must be 1", "SAFETY"),
    *("insufficient credits", "NO_IMAGE", "RESOURCE_EXHAUSTED", "22s"),
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
    st.sampled_from(
        [
            *("retry-after", "date", "location", "x-cost"),
            *("x-inference-id", "x-request-id"),
        ]
    ),
    st.text(max_size=12) | st.sampled_from(["0.067", "NaN", "-1", "1E+99", "sNaN"]),
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
    polled = decoder.endswith("-poll")
    if status < 300 and not polled:
        # A success is never surely free, unless its body says that no work was begun.
        rejected = isinstance(outcome, ProviderStopped | RequestInvalid | Throttled)
        provider = decoder.removesuffix("-poll")
        if facts_of(provider).errors_replace_tasks:
            rejected |= isinstance(outcome, ProviderDown | Refused)
        assert outcome.charge is not Charge.NONE or rejected
    if polled and isinstance(outcome, Permanent):
        # The task was bought before.
        assert outcome.charge in {Charge.UNKNOWN, Charge.REPORTED}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_stands_under_its_own_name(name: str) -> None:
    assert PROVIDERS[name].name == name


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
    assert len(stated_message({"message": ["word " * 400] * 50})) <= 1000


# -- refusals in disguise


@pytest.mark.parametrize("status", [400, 403, 404, 422, 500, 502, 503])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"error": "PROHIBITED_CONTENT in prompt"}, id="json"),
        pytest.param("Upstream: finishReason IMAGE_SAFETY", id="text"),
    ],
)
def test_a_refusal_is_one_under_any_status_and_in_plain_text(
    body: Json, status: int
) -> None:
    error = error_by_text("acme", Reply(status, {}, body), message_of(body))

    assert isinstance(error, Refused)
    # What happened behind a gateway that speaks plain text is not surely nothing.
    plain = isinstance(body, str) and status >= 500
    assert error.charge is (Charge.UNKNOWN if plain else Charge.NONE)


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_provider_takes_a_plain_refusal_for_an_outage(name: str) -> None:
    words = "prompt violates our content policy"

    with pytest.raises(Refused):
        PROVIDERS[name].decode(Reply(500, {}, words))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        pytest.param("IMAGE_RECITATION", Refused, id="verdict"),
        pytest.param("You violate our fair use policy", Throttled, id="rate"),
    ],
)
def test_a_throttle_is_one_unless_it_names_a_verdict_of_googles(
    words: str, kind: type[AttemptError]
) -> None:
    error = error_by_text("acme", Reply(429, {}, {"error": words}), words)

    assert isinstance(error, kind)


def test_a_gateways_page_judges_no_prompt() -> None:
    page = Reply(502, {}, "<html>Request blocked for safety reasons</html>")

    error = error_by_text("acme", page, "Request blocked for safety reasons")

    assert isinstance(error, OutcomeUnknown)
