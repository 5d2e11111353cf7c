from __future__ import annotations

import copy
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from batchgen import errors
from batchgen.errors import AttemptError, Charge
from batchgen.model import (
    BASE64_KEYS,
    Blob,
    Delivered,
    ImageRequest,
    Inline,
    Json,
    Price,
    PriceKey,
    Reply,
    find_price,
    rates_for,
)
from batchgen.providers._decoding import fields, objects
from batchgen.providers.base import Endpoint, Provider, TaskProvider, UploadProvider
from batchgen.providers.gemini import Gemini
from tests.providers.samples import outcome, reply, sample, samples_of

GEMINI: Provider = Gemini()
MODEL = "gemini-nano-banana-2.1"
MINIMAL = {"thinkingConfig": {"thinkingLevel": "minimal"}}
GOOGLE = Endpoint("https://generativelanguage.googleapis.com/v1beta", "k-123")
REQUEST_ID = "5WjqaKvNHsyT1dkP"

# Tokens of input, text and image.
DELIVERED = {
    "image": (10, 0, 1120),
    "image_jpeg": (10, 0, 1120),
    "image_after_text": (10, 12, 1120),
    "image_after_thoughts": (10, 300, 1120),
    "image_twice": (10, 0, 2240),
    "image_without_details": (10, 0, 1120),
    "image_at_max_tokens": (10, 0, 1120),
}
POLICY = (
    *("safety", "recitation", "blocklist", "prohibited_content", "spii"),
    *("image_safety", "image_prohibited_content", "image_recitation", "with_message"),
)
OTHER_ENDS = (
    *("no_image", "image_other", "other", "max_tokens", "language", "unknown"),
    *("malformed_function_call", "unexpected_tool_call", "too_many_tool_calls"),
)
BLOCKS = ("safety", "other", "blocklist", "prohibited_content", "image_safety")
WITHOUT_IMAGE: dict[str, tuple[type[AttemptError], tuple[int, int]]] = {
    "text_only": (errors.NoImage, (10, 25)),
    "text_only_without_details": (errors.NoImage, (10, 25)),
    "text_only_policy": (errors.Refused, (10, 25)),
    "candidates_empty": (errors.NoImage, (10, 0)),
    **{f"finish_{value}": (errors.Refused, (10, 0)) for value in POLICY},
    **{f"finish_{other_end}": (errors.NoImage, (10, 0)) for other_end in OTHER_ENDS},
    **{f"blocked_{block}": (errors.Refused, (10, 0)) for block in BLOCKS},
}
ERRORS: dict[str, tuple[type[AttemptError], float | None]] = {
    "error_400_argument": (errors.RequestInvalid, None),
    "error_400_policy": (errors.Refused, None),
    "error_400_key": (errors.CredentialRejected, None),
    "error_400_precondition": (errors.CredentialRejected, None),
    "error_402": (errors.OutOfCredit, None),
    "error_403": (errors.CredentialRejected, None),
    "error_404": (errors.ModelGone, None),
    "error_429_minute": (errors.Throttled, 22.0),
    "error_429_fraction": (errors.Throttled, 34.074824224),
    "error_429_day": (errors.QuotaReached, 22.0),
    "error_429_plain": (errors.Throttled, None),
    "error_429_array": (errors.Throttled, 22.0),
    "error_429_header": (errors.Throttled, 9.0),
    "error_500": (errors.ProviderDown, None),
    "error_503": (errors.ProviderDown, None),
    "error_503_array": (errors.ProviderDown, None),
    "error_504": (errors.ProviderDown, None),
}


def usage(prompt: int, text: int, image: int = 0) -> dict[str, Decimal]:
    tokens = {"input_token": prompt, "text_token": text, "image_token": image}
    return {unit: Decimal(count) for unit, count in tokens.items() if count}


def raised(answer: Reply) -> AttemptError:
    error = outcome(GEMINI, answer)
    assert isinstance(error, AttemptError)
    return error


def test_it_answers_at_once_and_keeps_no_files() -> None:
    assert not isinstance(GEMINI, TaskProvider)
    assert not isinstance(GEMINI, UploadProvider)


def test_every_sample_has_its_case() -> None:
    others = {"image_without_usage", "error_502_page", "thought_only"}

    assert samples_of("gemini") == {*DELIVERED, *WITHOUT_IMAGE, *ERRORS, *others}


def test_a_request_that_states_nothing_sends_the_prompt_alone() -> None:
    call = GEMINI.encode(ImageRequest(prompt="a cat"), MODEL, GOOGLE)

    assert call.method == "POST"
    assert call.url == f"{GOOGLE.base_url}/models/{MODEL}:generateContent"
    assert call.headers == {"x-goog-api-key": "k-123"}
    assert call.json == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]} | MINIMAL,
    }
    assert call.blob_keys == BASE64_KEYS | {"data"}


def test_a_request_that_states_everything_sends_every_field() -> None:
    first, second = (Inline(f"image/{name}", b"AAAA") for name in ("png", "webp"))
    request = ImageRequest(
        prompt="a cat",
        references=("a.png", "b.webp"),
        aspect_ratio="21:9",
        resolution="4K",
        options={
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "max_output_tokens": 4096,
            "safety_filter_level": "BLOCK_ONLY_HIGH",
            "web_search": True,
            "thinking_level": "high",
        },
    )

    call = GEMINI.encode(request, MODEL, GOOGLE, (first, second))

    assert call.json == {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "a cat"},
                    {"inlineData": {"mimeType": "image/png", "data": first}},
                    {"inlineData": {"mimeType": "image/webp", "data": second}},
                ],
            }
        ],
        "generationConfig": {
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "21:9", "imageSize": "4K"},
            "thinkingConfig": {"thinkingLevel": "high"},
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "maxOutputTokens": 4096,
        },
        "safetySettings": [
            {"category": f"HARM_CATEGORY_{name}", "threshold": "BLOCK_ONLY_HIGH"}
            for name in (
                *("HARASSMENT", "HATE_SPEECH"),
                *("SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT"),
            )
        ],
        "tools": [{"google_search": {}}],
    }


@pytest.mark.parametrize(
    ("request_", "image"),
    [
        pytest.param(ImageRequest(prompt="p", resolution="1K"), None, id="1K"),
        pytest.param(ImageRequest(prompt="p", aspect_ratio="auto"), None, id="auto"),
        pytest.param(
            ImageRequest(prompt="p", options={"web_search": False}), None, id="off"
        ),
        pytest.param(
            ImageRequest(prompt="p", resolution="2K"), {"imageSize": "2K"}, id="2K"
        ),
        pytest.param(
            ImageRequest(prompt="p", aspect_ratio="1:1"),
            {"aspectRatio": "1:1"},
            id="1:1",
        ),
    ],
)
def test_only_what_is_no_documented_default_is_sent(
    request_: ImageRequest, image: dict[str, str] | None
) -> None:
    call = GEMINI.encode(request_, MODEL, GOOGLE)

    config: dict[str, object] = {"responseModalities": ["TEXT", "IMAGE"], **MINIMAL}
    assert call.json == {
        "contents": [{"role": "user", "parts": [{"text": "p"}]}],
        "generationConfig": config | ({"imageConfig": image} if image else {}),
    }


def test_a_number_that_is_zero_is_stated_all_the_same() -> None:
    request = ImageRequest(prompt="p", options={"temperature": 0.0})

    call = GEMINI.encode(request, MODEL, GOOGLE)

    assert call.json is not None
    assert call.json["generationConfig"] == {
        "responseModalities": ["TEXT", "IMAGE"],
        "temperature": 0.0,
        **MINIMAL,
    }


@pytest.mark.parametrize(
    ("model", "stated", "sent"),
    [
        pytest.param(MODEL, None, "minimal", id="its-default-would-be-medium"),
        pytest.param(MODEL, "medium", "medium", id="stated"),
        pytest.param("gemini-3.1-flash-lite-image", None, None, id="lite"),
        pytest.param("gemini-3.1-flash-lite-image", "high", "high", id="lite-high"),
        pytest.param("gemini-2.5-flash-image", "high", None, id="model-without-it"),
        pytest.param("a-resellers-own", None, None, id="unknown-model"),
    ],
)
def test_the_level_of_thinking_is_sent_where_text_would_be_charged(
    model: str, stated: str | None, sent: str | None
) -> None:
    options = {} if stated is None else {"thinking_level": stated}

    call = GEMINI.encode(ImageRequest(prompt="p", options=options), model, GOOGLE)

    assert call.json is not None
    config = call.json["generationConfig"]
    assert isinstance(config, dict)
    level = config.get("thinkingConfig", {}).get("thinkingLevel")
    assert level == sent


@pytest.mark.parametrize(
    ("model", "resolution", "words"),
    [
        (MODEL, "512", "has no 512 with gemini-nano-banana-2.1 (it has 1K, 2K, 4K)"),
        (MODEL, "4K", None),
        ("gemini-3-pro-image", "512", "has no 512 with gemini-3-pro-image"),
        ("gemini-3.1-flash-lite-image", "2K", "(it has 1K)"),
        ("gemini-2.5-flash-image", "2K", "(it has 1K)"),
        ("a-resellers-own", "512", None),
    ],
)
def test_models_differ_in_their_sizes(
    model: str, resolution: str, words: str | None
) -> None:
    request = ImageRequest(prompt="p", resolution=resolution)

    unsupported = dict(GEMINI.capabilities.unsupported(request, model))

    assert list(unsupported) == (["resolution"] if words else [])
    assert words is None or words in unsupported["resolution"]


@pytest.mark.parametrize(
    ("model", "day"),
    [
        ("gemini-3.1-flash-image", "2026-10-29"),
        ("gemini-3.1-flash-image-preview", "2026-06-25"),
    ],
)
def test_a_model_that_is_off_is_told_with_its_day_and_what_follows(
    model: str, day: str
) -> None:
    unsupported = dict(GEMINI.capabilities.unsupported(ImageRequest(prompt="p"), model))

    assert unsupported == {
        "model": f"announced that {model} was shut down on {day}; use {MODEL} "
        '(`shutdowns = "ignore"` sends it all the same)'
    }
    assert not dict(
        GEMINI.capabilities.elsewhere().unsupported(ImageRequest(prompt="p"), model)
    )


def test_a_model_cannot_lead_to_another_path() -> None:
    urls = {
        GEMINI.encode(ImageRequest(prompt="p"), model, GOOGLE).url
        for model in ("models/x", "x")
    }
    strange = GEMINI.encode(ImageRequest(prompt="p"), "../a?b", GOOGLE).url

    assert urls == {f"{GOOGLE.base_url}/models/x:generateContent"}
    assert strange == f"{GOOGLE.base_url}/models/..%2Fa%3Fb:generateContent"


@pytest.mark.parametrize(
    ("request_", "columns"),
    [
        pytest.param(
            ImageRequest(prompt="p", aspect_ratio="7:5"), ["aspect_ratio"], id="ratio"
        ),
        pytest.param(
            ImageRequest(prompt="p", references=("a.png",) * 15),
            ["references"],
            id="references",
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"temperature": 1.5}),
            ["temperature"],
            id="temperature",
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"safety_filter_level": "NEVER"}),
            ["safety_filter_level"],
            id="safety",
        ),
        pytest.param(
            ImageRequest(prompt="p", aspect_ratio="8:1", references=("a.png",) * 14),
            [],
            id="most",
        ),
    ],
)
def test_what_google_lacks_is_a_misfit(
    request_: ImageRequest, columns: list[str]
) -> None:
    assert [name for name, _ in GEMINI.capabilities.unsupported(request_)] == columns


def price_key(model: str, resolution: str, **stated: Any) -> PriceKey:
    return PriceKey("gemini", resolution, model, **stated)


def price_of(which: PriceKey) -> Price:
    price = find_price(GEMINI.prices, which)
    assert price is not None
    return price


@pytest.mark.parametrize(
    ("model", "resolution", "usd"),
    [
        (MODEL, "1K", "0.0336"),
        (MODEL, "2K", "0.0504"),
        (MODEL, "4K", "0.0756"),
        ("gemini-3-pro-image", "1K", "0.134"),
        ("gemini-3-pro-image", "2K", "0.134"),
        ("gemini-3-pro-image", "4K", "0.24"),
        ("gemini-3.1-flash-lite-image", "1K", "0.0336"),
        ("gemini-2.5-flash-image", "1K", "0.039"),
    ],
)
def test_each_model_has_its_prices(model: str, resolution: str, usd: str) -> None:
    price = price_of(price_key(model, resolution))

    assert (price.expected, price.read_on) == (Decimal(usd), date(2026, 11, 30))
    assert price.floor <= price.expected < price.ceiling


def test_a_model_that_nobody_tells_the_price_of_has_none() -> None:
    assert find_price(GEMINI.prices, price_key("gemini-3.1-flash-image", "1K")) is None
    assert find_price(GEMINI.prices, price_key(MODEL, "512")) is None
    former = rates_for(GEMINI.rates, price_key("gemini-3-pro-image", "1K"))
    assert former.keys() == {"search_query"}


@pytest.mark.parametrize(
    ("resolution", "tokens"), [("1K", 1120), ("2K", 1680), ("4K", 3780)]
)
@pytest.mark.parametrize(
    ("thinking", "thoughts"), [(None, 150), ("minimal", 150), ("high", 4_000)]
)
def test_the_ceiling_holds_for_all_that_is_charged(
    resolution: str, tokens: int, thinking: str | None, thoughts: int
) -> None:
    stated = price_key(
        MODEL, resolution, references=14, searches=True, thinking=thinking
    )
    price, rates = price_of(stated), rates_for(GEMINI.rates, stated)
    assert rates == {
        "input_token": Decimal("0.0000015"),
        "text_token": Decimal("0.0000075"),
        "image_token": Decimal("0.00003"),
        "search_query": Decimal("0.014"),
    }

    max_usd = (
        tokens * rates["image_token"]
        + (5_000 + 14 * 1_120) * rates["input_token"]
        + thoughts * rates["text_token"]
        + 5 * rates["search_query"]
    )

    assert max_usd <= price.ceiling


@pytest.mark.parametrize("name", DELIVERED)
def test_the_last_image_that_is_no_draft_is_delivered_with_its_tokens(
    name: str,
) -> None:
    answer = GEMINI.decode(sample("gemini", name))

    assert isinstance(answer, Delivered)
    (image,) = answer.images
    assert isinstance(image, Blob)
    expected = sample("gemini", "image_jpeg" if name == "image_jpeg" else "image")
    assert answer == Delivered(
        images=GEMINI.decode(expected).images,  # type: ignore[union-attr]
        usage=usage(*DELIVERED[name]),
        request_id=REQUEST_ID,
    )


def test_a_lone_draft_is_taken_with_a_warning() -> None:
    answer = GEMINI.decode(sample("gemini", "thought_only"))

    assert isinstance(answer, Delivered)
    assert len(answer.images) == 1
    assert answer.warning is not None
    assert "draft" in answer.warning
    assert answer.usage == usage(10, 300)


def test_an_image_under_the_protocol_buffers_name_is_delivered_too() -> None:
    image = Blob(b"png")
    parts: list[Json] = [{"inline_data": {"mime_type": "image/png", "data": image}}]

    answer = GEMINI.decode(reply({"candidates": [{"content": {"parts": parts}}]}))

    assert isinstance(answer, Delivered)
    assert answer.images == (image,)


@pytest.mark.parametrize(
    "grounding",
    [
        pytest.param(
            {"groundingMetadata": {"webSearchQueries": ["a", "b", "a", "", " "]}},
            id="camel-case",
        ),
        pytest.param(
            {"grounding_metadata": {"web_search_queries": ["a", "b"]}}, id="snake-case"
        ),
    ],
)
def test_each_distinct_query_of_a_search_is_counted(grounding: dict[str, Json]) -> None:
    body = copy.deepcopy(sample("gemini", "image").body)
    assert isinstance(body, dict)
    fields(objects(body["candidates"])[0]).update(grounding)
    fields(body["usageMetadata"])["toolUsePromptTokenCount"] = 900

    answer = GEMINI.decode(reply(body))

    assert isinstance(answer, Delivered)
    assert answer.usage == usage(10, 0, 1120) | {"search_query": Decimal(2)}


def test_queries_alone_are_no_bill() -> None:
    body = copy.deepcopy(sample("gemini", "image_without_usage").body)
    assert isinstance(body, dict)
    grounding: Json = {"webSearchQueries": ["a"]}
    objects(body["candidates"])[0]["groundingMetadata"] = grounding

    answer = GEMINI.decode(reply(body))

    assert isinstance(answer, Delivered)
    assert answer.usage == {}


def test_tokens_that_are_not_said_are_not_nothing() -> None:
    answer = GEMINI.decode(sample("gemini", "image_without_usage"))

    assert isinstance(answer, Delivered)
    assert (answer.usage, answer.request_id) == ({}, None)


@pytest.mark.parametrize(
    "meta",
    [
        pytest.param(None, id="null"),
        pytest.param({"promptTokenCount": 10}, id="input-alone"),
        pytest.param(
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 9,
                "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
            },
            id="no-image-among-the-details",
        ),
        pytest.param({"candidatesTokenCount": 10**400}, id="endless"),
        pytest.param({"candidatesTokenCount": -5}, id="negative"),
    ],
)
def test_tokens_that_cannot_be_all_are_none(meta: Json) -> None:
    body = {**image_body(), "usageMetadata": meta}

    answer = GEMINI.decode(reply(body))

    assert isinstance(answer, Delivered)
    assert answer.usage == {}


def image_body() -> dict[str, Json]:
    body = sample("gemini", "image").body
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize("name", WITHOUT_IMAGE)
def test_an_answer_without_an_image_is_charged_by_its_tokens(name: str) -> None:
    kind, (prompt, text) = WITHOUT_IMAGE[name]

    error = raised(sample("gemini", name))

    assert (type(error), error.charge) == (kind, Charge.REPORTED)
    assert error.usage == usage(prompt, text)
    assert error.request_id == REQUEST_ID


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("blocked_prohibited_content", "PROHIBITED_CONTENT", id="prompt"),
        pytest.param("finish_image_safety", "IMAGE_SAFETY", id="image"),
        pytest.param("finish_with_message", "Unable to show", id="message"),
        pytest.param("text_only", "nice cat", id="text"),
    ],
)
def test_the_words_of_an_answer_without_an_image_are_kept(
    name: str, words: str
) -> None:
    assert words in raised(sample("gemini", name)).message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"candidates": []}, id="no-candidates"),
        pytest.param({"promptFeedback": {"blockReason": "SAFETY"}}, id="blocked"),
    ],
)
def test_an_answer_without_image_and_tokens_may_have_been_charged(
    body: Json,
) -> None:
    assert raised(reply(body)).charge is Charge.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="empty-body"),
        pytest.param([], id="array"),
        pytest.param({}, id="nothing"),
        pytest.param({"error": {"message": "no"}}, id="error"),
        pytest.param(
            {
                "candidates": [
                    {"content": {"parts": [{"inlineData": {"data": "no base64!"}}]}}
                ]
            },
            id="no-base64",
        ),
    ],
)
def test_a_reply_that_cannot_be_read_may_have_been_charged(body: Json) -> None:
    error = raised(reply(body))

    assert (type(error), error.charge) == (errors.ReplyMalformed, Charge.UNKNOWN)


@pytest.mark.parametrize("name", ERRORS)
def test_a_request_that_is_turned_down_costs_nothing(name: str) -> None:
    kind, wait_s = ERRORS[name]

    error = raised(sample("gemini", name))

    assert (type(error), error.charge) == (kind, Charge.NONE)
    assert error.retry_after_s == wait_s
    assert error.usage == {}


def test_a_page_leaves_the_outcome_unknown() -> None:
    error = raised(sample("gemini", "error_502_page"))

    assert (type(error), error.charge) == (errors.OutcomeUnknown, Charge.UNKNOWN)


@pytest.mark.parametrize(
    "delay",
    ["", "s", "22", "-3s", "1e9s", "9" * 400 + "s", 22, None, {"seconds": 22}],
)
def test_a_delay_that_is_no_duration_is_none(delay: Json) -> None:
    body: Json = {"error": {"message": "no", "details": [{"retryDelay": delay}]}}

    assert raised(reply(body, 429)).retry_after_s is None
