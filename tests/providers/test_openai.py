from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from batchgen import errors
from batchgen.errors import AttemptError, Charge
from batchgen.model import (
    BASE64_KEYS,
    Attachment,
    Blob,
    Delivered,
    ImageRequest,
    Json,
    Link,
    PriceKey,
    find_price,
    rates_for,
)
from batchgen.providers.base import Endpoint, Provider
from batchgen.providers.openai import OpenAi
from tests.providers.samples import ENDPOINT, outcome, reply, sample, samples_of

OPENAI: Provider = OpenAi()
A, B = Link("https://images.example/a.png"), Link("https://images.example/b.png")
REQUEST_ID = "req_4b1f0c5d8e"
NONE, UNKNOWN, REPORTED = Charge.NONE, Charge.UNKNOWN, Charge.REPORTED


def failed(body: Json, status: int = 200) -> AttemptError:
    error = outcome(OPENAI, reply(body, status))
    assert isinstance(error, AttemptError)
    return error


def test_a_request_that_states_nothing_sends_model_and_prompt_alone() -> None:
    call = OPENAI.encode(ImageRequest(prompt="a cat"), "gpt-image-2", ENDPOINT)

    assert (call.method, call.form) == ("POST", None)
    assert call.url == "https://api.example/v1/images/generations"
    assert call.headers == {"authorization": "Bearer k-123"}
    assert call.json == {"model": "gpt-image-2", "prompt": "a cat"}
    assert call.blob_keys == BASE64_KEYS
    assert call.not_found is None


def test_a_request_that_states_everything_sends_every_field() -> None:
    request = ImageRequest(
        prompt="a cat",
        aspect_ratio="16:9",
        resolution="2K",
        n=10,
        options={
            "output_format": "webp",
            "quality": "high",
            "background": "transparent",
            "moderation": "low",
            "output_compression": 0,
        },
    )

    assert OPENAI.encode(request, "m", ENDPOINT).json == {
        "model": "m",
        "prompt": "a cat",
        "n": 10,
        "size": "2752x1536",
        "output_format": "webp",
        "quality": "high",
        "background": "transparent",
        "moderation": "low",
        "output_compression": 0,
    }


def test_a_request_with_references_is_a_form_of_all_fields_and_files() -> None:
    first = Attachment("a.png", "image/png", b"a")
    second = Attachment("b.jpg", "image/jpeg", b"b")
    request = ImageRequest(
        prompt="a cat",
        references=("a.png", "b.jpg"),
        aspect_ratio="1:1",
        resolution="1K",
        n=2,
        options={"output_format": "jpg", "quality": "low", "output_compression": 80},
    )

    call = OPENAI.encode(request, "m", ENDPOINT, [second, first])

    assert (call.method, call.json) == ("POST", None)
    assert call.url == "https://api.example/v1/images/edits"
    assert call.blob_keys == BASE64_KEYS
    assert call.form == [
        ("model", "m"),
        ("prompt", "a cat"),
        ("n", "2"),
        ("size", "1024x1024"),
        ("output_format", "jpeg"),
        ("quality", "low"),
        ("output_compression", "80"),
        ("image[]", second),
        ("image[]", first),
    ]
    assert call.not_found is not None


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        pytest.param(None, None, None, id="nothing"),
        pytest.param(None, "1K", None, id="default"),
        pytest.param(None, "4K", "4096x4096", id="resolution"),
        pytest.param("21:9", None, "1584x672", id="ratio"),
        pytest.param("9:16", "512", "384x688", id="both"),
    ],
)
def test_the_size_is_said_in_pixels(
    ratio: str | None, resolution: str | None, size: str | None
) -> None:
    request = ImageRequest(prompt="p", aspect_ratio=ratio, resolution=resolution)

    body = OPENAI.encode(request, "m", ENDPOINT).json

    stated = {} if size is None else {"size": size}
    assert body == {"model": "m", "prompt": "p"} | stated


def test_documented_defaults_are_left_out() -> None:
    autos = dict.fromkeys(("quality", "background", "moderation"), "auto")
    request = ImageRequest(prompt="p", n=1, options={"output_format": "png", **autos})

    body = OPENAI.encode(request, "m", ENDPOINT).json

    assert body == {"model": "m", "prompt": "p"}


def test_a_base_url_may_end_with_the_version() -> None:
    endpoint = Endpoint("http://127.0.0.1:8000/v1", "k")

    call = OPENAI.encode(ImageRequest(prompt="p"), "m", endpoint)

    assert call.url == "http://127.0.0.1:8000/v1/images/generations"


@pytest.mark.parametrize(
    ("request_", "column"),
    [
        pytest.param(ImageRequest(prompt="p", aspect_ratio="7:5"), "aspect_ratio"),
        pytest.param(ImageRequest(prompt="p", resolution="8K"), "resolution"),
        pytest.param(
            ImageRequest(prompt="p", references=("a.png",) * 17), "references"
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"output_format": "gif"}), "output_format"
        ),
        pytest.param(ImageRequest(prompt="p", options={"quality": "best"}), "quality"),
        pytest.param(
            ImageRequest(prompt="p", options={"background": "beige"}), "background"
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"moderation": "none"}), "moderation"
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"output_compression": 50}),
            "output_compression",
        ),
        pytest.param(
            ImageRequest(
                prompt="p",
                options={"output_format": "webp", "output_compression": 101},
            ),
            "output_compression",
        ),
    ],
)
def test_what_the_shape_lacks_is_a_misfit(request_: ImageRequest, column: str) -> None:
    assert [name for name, _ in OPENAI.capabilities.unsupported(request_)] == [column]


@pytest.mark.parametrize(
    ("ratio", "resolution", "column", "words"),
    [
        pytest.param("1:1", "1K", None, "", id="square"),
        pytest.param(None, None, None, "", id="nothing-stated"),
        pytest.param("9:16", "2K", None, "", id="2K"),
        pytest.param("21:9", None, None, "", id="21:9"),
        pytest.param("4:1", "1K", "aspect_ratio", "1:3 to 3:1", id="too-wide"),
        pytest.param("1:8", "2K", "aspect_ratio", "1:3 to 3:1", id="too-high"),
        pytest.param("1:1", "4K", "resolution", "3840 px a side", id="4K"),
        pytest.param(None, "512", "resolution", "655,360", id="too-few-pixels"),
    ],
)
def test_a_size_that_openai_does_not_make_is_known_before_it_is_paid_for(
    ratio: str | None, resolution: str | None, column: str | None, words: str
) -> None:
    request = ImageRequest(prompt="p", aspect_ratio=ratio, resolution=resolution)
    capabilities = OPENAI.capabilities

    unsupported = dict(capabilities.unsupported(request, "gpt-image-2"))

    assert list(unsupported) == ([column] if column else [])
    assert words in unsupported.get(column or "", "")
    # Another server of the same shape has limits of its own.
    assert not dict(capabilities.elsewhere().unsupported(request, "gpt-image-2"))
    assert not dict(capabilities.unsupported(request, "flux-1"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("gpt-image-1", "was shut down on 2026-10-23; use gpt-image-2"),
        ("dall-e-3", "was shut down on 2026-05-12; use gpt-image-2"),
    ],
)
def test_a_model_that_is_off_is_told_with_its_day(model: str, words: str) -> None:
    capabilities = OPENAI.capabilities.on(date(2026, 11, 30))

    unsupported = dict(capabilities.unsupported(ImageRequest(prompt="p"), model))

    way_out = '(`shutdowns = "ignore"` sends it all the same)'
    assert unsupported == {"model": f"announced that {model} {words} {way_out}"}
    assert not dict(capabilities.unsupported(ImageRequest(prompt="p"), "gpt-image-1.5"))
    tomorrow = OPENAI.capabilities.on(date(2026, 12, 1))
    assert dict(tomorrow.unsupported(ImageRequest(prompt="p"), "gpt-image-1.5"))


def price_key(**stated: Any) -> PriceKey:
    return PriceKey("openai", "1K", "gpt-image-2", **stated)


@pytest.mark.parametrize(
    ("quality", "usd"),
    [("low", "0.006"), ("medium", "0.053"), ("high", "0.211"), (None, "0.053")],
)
def test_the_price_depends_on_the_quality(quality: str | None, usd: str) -> None:
    price = find_price(OPENAI.prices, price_key(quality=quality))

    assert price is not None
    assert price.expected == Decimal(usd)
    assert price.floor < price.expected < price.ceiling
    if quality is None:  # the model may choose the dearest
        assert price.ceiling > Decimal("0.211")


def test_what_no_page_prices_has_no_price() -> None:
    for unknown in (
        price_key(quality="max"),
        price_key(quality="low")._replace(resolution="2K"),
        price_key(quality="low")._replace(model="gpt-image-1.5"),
    ):
        assert find_price(OPENAI.prices, unknown) is None


def test_text_images_and_answers_have_rates_of_their_own() -> None:
    rates = rates_for(OPENAI.rates, price_key())

    assert rates == {
        "input_token": Decimal("0.000005"),
        "image_input_token": Decimal("0.000008"),
        "output_token": Decimal("0.00003"),
    }
    assert rates_for(OPENAI.rates, price_key()._replace(model="flux-1")) == {}


@pytest.mark.parametrize(
    ("usage", "units"),
    [
        pytest.param({}, (100, 0, 50, 0), id="no-details"),
        pytest.param(
            {"input_tokens_details": {"text_tokens": 20, "image_tokens": 80}},
            (20, 80, 50, 0),
            id="images-in",
        ),
        pytest.param(
            {"output_tokens_details": {"text_tokens": 5, "image_tokens": 45}},
            (100, 0, 45, 5),
            id="words-out",
        ),
        pytest.param(
            {"input_tokens_details": {"image_tokens": 800}},
            (0, 100, 50, 0),
            id="more-than-all",
        ),
        pytest.param({"input_tokens_details": "none"}, (100, 0, 50, 0), id="no-object"),
    ],
)
def test_tokens_are_told_apart_by_what_they_cost(
    usage: dict[str, Json], units: tuple[int, ...]
) -> None:
    whole: Json = {"input_tokens": 100, "output_tokens": 50, **usage}

    answer = outcome(OPENAI, reply({"data": [{"url": A.url}], "usage": whole}))

    assert isinstance(answer, Delivered)
    names = ("input", "image_input", "output", "text_output")
    counts = {
        f"{name}_token": Decimal(value)
        for name, value in zip(names, units, strict=True)
    }
    assert {count: answer.usage.get(count, 0) for count in counts} == counts


TOKENS = {"input_token": Decimal(14), "output_token": Decimal(1056)}
TWICE = TOKENS | {"output_token": Decimal(2112)}
FAILED: dict[str, tuple[type[AttemptError], Charge]] = {
    "data_empty": (errors.NoImage, UNKNOWN),
    "data_empty_charged": (errors.NoImage, REPORTED),
    "data_null": (errors.NoImage, UNKNOWN),
    "success_error": (errors.NoImage, UNKNOWN),
    "success_refused": (errors.Refused, UNKNOWN),
    "success_quota": (errors.OutOfCredit, NONE),
    "error_400": (errors.RequestInvalid, NONE),
    "error_400_moderation": (errors.Refused, NONE),
    "error_400_policy": (errors.Refused, NONE),
    "error_400_billing": (errors.OutOfCredit, NONE),
    "error_400_model": (errors.ModelGone, NONE),
    "error_401": (errors.CredentialRejected, NONE),
    "error_403_verify": (errors.CredentialRejected, NONE),
    "error_404_model": (errors.ModelGone, NONE),
    "error_429": (errors.Throttled, NONE),
    "error_429_quota": (errors.OutOfCredit, NONE),
    "error_500": (errors.ProviderDown, NONE),
    "error_503_channel": (errors.ModelGone, NONE),
    "error_502_page": (errors.OutcomeUnknown, UNKNOWN),
}
DELIVERED = {
    "base64": (1, TOKENS, REQUEST_ID),
    "base64_several": (2, TWICE, REQUEST_ID),
    "link": ((A,), {}, None),
    "links": ((A, B), {}, None),
}


def test_every_sample_has_its_case() -> None:
    assert samples_of("openai") == {*DELIVERED, *FAILED}


@pytest.mark.parametrize("name", ["link", "links"])
def test_links_are_delivered_in_their_order(name: str) -> None:
    answer = outcome(OPENAI, sample("openai", name))

    images, usage, request_id = DELIVERED[name]
    assert answer == Delivered(images=images, usage=usage, request_id=request_id)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["base64", "base64_several"])
def test_base64_is_delivered_with_the_tokens_that_it_took(name: str) -> None:
    answer = outcome(OPENAI, sample("openai", name))

    assert isinstance(answer, Delivered)
    assert all(
        isinstance(image, Blob) and image.data[1:4] == b"PNG" for image in answer.images
    )
    delivery = (len(answer.images), answer.usage, answer.request_id)
    assert delivery == DELIVERED[name]
    assert answer.cost_usd is None


@pytest.mark.parametrize("name", FAILED)
def test_any_other_answer_says_what_it_is_and_what_it_cost(name: str) -> None:
    error = outcome(OPENAI, sample("openai", name))

    assert isinstance(error, AttemptError)
    assert (type(error), error.charge) == FAILED[name]


def test_tokens_of_an_answer_without_an_image_are_told_with_its_id() -> None:
    error = outcome(OPENAI, sample("openai", "data_empty_charged"))

    assert isinstance(error, AttemptError)
    assert (error.usage, error.request_id) == (TOKENS, REQUEST_ID)


def test_a_throttle_keeps_the_wait_that_was_asked_for() -> None:
    error = outcome(OPENAI, sample("openai", "error_429"))

    assert isinstance(error, errors.Throttled)
    assert error.retry_after_s == 12.0


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(None, id="null"),
        pytest.param({"input_tokens": 5}, id="half"),
        pytest.param({"input_tokens": 5, "output_tokens": None}, id="half-null"),
        pytest.param({"input_tokens": -5, "output_tokens": 7}, id="negative"),
        pytest.param({"input_tokens": "5", "output_tokens": "7"}, id="texts"),
        pytest.param({"total_tokens": 12}, id="total-alone"),
    ],
)
def test_tokens_that_are_no_whole_bill_are_none(usage: Json) -> None:
    answer = outcome(OPENAI, reply({"data": [{"url": A.url}], "usage": usage}))

    assert answer == Delivered(images=(A,))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="array"),
        pytest.param({}, id="empty-object"),
        pytest.param({"error": None}, id="error-null"),
        pytest.param({"data": 0}, id="data-number"),
        pytest.param({"data": [{"url": 5}]}, id="url-number"),
        pytest.param({"data": [{"b64_json": "%%"}]}, id="base64-undecoded"),
    ],
)
def test_a_success_outside_the_shape_may_have_been_charged(body: Json) -> None:
    error = failed(body)

    assert (type(error), error.charge) == (errors.ReplyMalformed, UNKNOWN)


def test_an_error_as_plain_text_on_a_success_is_an_answer_without_an_image() -> None:
    error = failed({"error": "nothing was drawn", "data": 5})

    assert (type(error), error.charge) == (errors.NoImage, UNKNOWN)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        pytest.param("Bad request", 400, errors.RequestInvalid, id="text"),
        pytest.param({"error": "no"}, 400, errors.RequestInvalid, id="error-text"),
        pytest.param({"detail": "x"}, 422, errors.RequestInvalid, id="detail"),
        pytest.param(
            {"error": {"code": 429, "message": "slow"}}, 429, errors.Throttled, id="int"
        ),
        pytest.param(
            {"error": {"type": "insufficient_quota", "message": "m"}},
            429,
            errors.OutOfCredit,
            id="type-without-code",
        ),
    ],
)
def test_an_envelope_in_another_shape_is_read_all_the_same(
    body: Json, status: int, kind: type[AttemptError]
) -> None:
    assert type(failed(body, status)) is kind
