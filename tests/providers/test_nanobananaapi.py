from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen import errors
from batchgen.errors import AttemptError, Charge
from batchgen.model import (
    DataUri,
    Delivered,
    ImageRequest,
    Inline,
    Json,
    Link,
    Payload,
    PriceKey,
    find_price,
)
from batchgen.providers.base import Endpoint, Provider
from batchgen.providers.nanobananaapi import NanoBananaApi
from tests.providers.samples import ENDPOINT, outcome, reply, sample, samples_of

NANO: Provider = NanoBananaApi()
MODEL = "gemini-3.1-flash-image-preview"
GENERATE = "https://api.example/v1/images/generate"
EDIT = "https://api.example/v1/images/edit"
ONE, TWO, THREE = (
    Link(f"https://cdn.nanobananaapi.dev/images/20261120/9f2c1e7a-{number}.png")
    for number in (1, 2, 3)
)
A, B = Link("https://example.com/a.png"), Link("https://example.com/b.png")
NONE, UNKNOWN = Charge.NONE, Charge.UNKNOWN


def at(choice: str | None) -> Endpoint:
    return Endpoint("https://api.example", "k-123", choice)


def failed(body: Json, status: int = 200) -> AttemptError:
    error = outcome(NANO, reply(body, status))
    assert isinstance(error, AttemptError)
    return error


def test_a_request_that_states_nothing_sends_model_and_prompt_alone() -> None:
    call = NANO.encode(ImageRequest(prompt="a cat"), MODEL, ENDPOINT)

    assert (call.method, call.url, call.form) == ("POST", GENERATE, None)
    assert call.headers == {"authorization": "Bearer k-123"}
    assert call.json == {"model": MODEL, "prompt": "a cat"}


def test_a_request_that_states_everything_sends_every_field() -> None:
    inline = Inline("image/png", b"AAAA")
    request = ImageRequest(
        prompt="a cat",
        references=(A.url, "b.png"),
        aspect_ratio="21:9",
        resolution="4K",
        n=9,
        options={"service_tier": "priority"},
    )

    call = NANO.encode(request, f"{MODEL}-4k", ENDPOINT, [A, inline])

    assert call.json is not None
    body = dict(call.json)
    match body.pop("ref_images"):
        case [first, DataUri() as second]:
            assert (first, second.image) == (A.url, inline)
        case other:
            pytest.fail(f"not a link and a data URI: {other}")
    assert body == {
        "model": f"{MODEL}-4k",
        "prompt": "a cat",
        "num": 9,
        "image_size": "21:9",
        "service_tier": "priority",
    }


def test_documented_defaults_are_left_out() -> None:
    request = ImageRequest(
        prompt="p",
        aspect_ratio="1:1",
        resolution="1K",
        n=1,
        options={"service_tier": "default"},
    )

    assert NANO.encode(request, MODEL, ENDPOINT).json == {"model": MODEL, "prompt": "p"}


@pytest.mark.parametrize(
    ("choice", "references", "url", "images"),
    [
        pytest.param(None, [A], GENERATE, {"ref_images": [A.url]}, id="as-the-page"),
        pytest.param("generate", [A], GENERATE, {"ref_images": [A.url]}, id="generate"),
        pytest.param("edit", [A], EDIT, {"image": A.url}, id="edit-one"),
        pytest.param("edit", [A, B], EDIT, {"image": [A.url, B.url]}, id="edit-more"),
        pytest.param("edit", [], GENERATE, {}, id="nothing-to-edit"),
        pytest.param("/v1/images/edit", [A], EDIT, {"image": A.url}, id="edit-path"),
        pytest.param(
            "v2/images/make",
            [A],
            "https://api.example/v2/images/make",
            {"ref_images": [A.url]},
            id="path",
        ),
    ],
)
def test_references_go_where_the_job_says(
    choice: str | None, references: list[Payload], url: str, images: dict[str, object]
) -> None:
    call = NANO.encode(ImageRequest(prompt="p"), MODEL, at(choice), references)

    assert call.url == url
    assert call.json == {"model": MODEL, "prompt": "p"} | images


@pytest.mark.parametrize(
    ("resolution", "model", "usd"),
    [
        ("512", f"{MODEL}-512", "0.04"),
        ("1K", MODEL, "0.04"),
        ("2K", f"{MODEL}-2k", "0.06"),
        ("4K", f"{MODEL}-4k", "0.08"),
    ],
)
def test_the_models_id_is_the_resolution(resolution: str, model: str, usd: str) -> None:
    request = ImageRequest(prompt="p", resolution=resolution)

    assert NANO.capabilities.resolve_model(request, None) == (model, resolution)
    price_key = PriceKey.of("nanobananaapi", request, model, resolution)
    price = find_price(NANO.prices, price_key)
    assert price is not None
    assert price.expected == Decimal(usd)
    assert find_price(NANO.prices, price_key._replace(tier="priority")) is None
    assert find_price(NANO.prices, price_key._replace(model="another")) is None


@pytest.mark.parametrize(
    ("request_", "column"),
    [
        pytest.param(ImageRequest(prompt="p", aspect_ratio="auto"), "aspect_ratio"),
        pytest.param(ImageRequest(prompt="p", resolution="8K"), "resolution"),
        pytest.param(
            ImageRequest(prompt="p", references=("http://x/a",) * 11), "references"
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"service_tier": "flex"}), "service_tier"
        ),
    ],
)
def test_what_the_page_lacks_is_a_misfit(request_: ImageRequest, column: str) -> None:
    assert [name for name, _ in NANO.capabilities.unsupported(request_)] == [column]


@pytest.mark.parametrize(
    "ratio",
    [
        *("1:1", "16:9", "9:16", "4:3", "3:4", "2:3", "3:2", "4:5", "5:4"),
        *("21:9", "1:4", "4:1", "8:1", "1:8"),
    ],
)
def test_a_row_that_uses_all_of_the_page_fits(ratio: str) -> None:
    request = ImageRequest(
        prompt="p",
        aspect_ratio=ratio,
        references=("http://x/a",) * 10,
        options={"service_tier": "priority"},
    )

    assert list(NANO.capabilities.unsupported(request)) == []
    assert NANO.capabilities.missing_options(request) == ()
    assert NANO.capabilities.images_per_request == 9


DELIVERED = {
    "link": (ONE,),
    "links": (ONE, TWO, THREE),
    "links_of_one": (ONE,),
    "code_text": (ONE,),
}
FAILED: dict[str, tuple[type[AttemptError], Charge]] = {
    "without_url": (errors.NoImage, UNKNOWN),
    "without_urls": (errors.NoImage, UNKNOWN),
    "data_null": (errors.NoImage, UNKNOWN),
    "code_credit": (errors.OutOfCredit, NONE),
    "code_rate": (errors.Throttled, NONE),
    "code_key": (errors.CredentialRejected, NONE),
    "code_model": (errors.ModelGone, NONE),
    "code_field": (errors.RequestInvalid, UNKNOWN),
    "code_policy": (errors.Refused, UNKNOWN),
    "code_failed": (errors.NoImage, UNKNOWN),
    "code_failed_text": (errors.NoImage, UNKNOWN),
    "error_without_code": (errors.NoImage, UNKNOWN),
    "error_400": (errors.RequestInvalid, NONE),
    "error_400_object": (errors.RequestInvalid, NONE),
    "error_400_credit": (errors.OutOfCredit, NONE),
    "error_400_key": (errors.CredentialRejected, NONE),
    "error_400_model": (errors.ModelGone, NONE),
    "error_400_policy": (errors.Refused, NONE),
    "error_401": (errors.CredentialRejected, NONE),
    "error_402": (errors.OutOfCredit, NONE),
    "error_403": (errors.CredentialRejected, NONE),
    "error_404": (errors.ModelGone, NONE),
    "error_413_text": (errors.RequestInvalid, NONE),
    "error_429": (errors.Throttled, NONE),
    "error_500": (errors.ProviderDown, NONE),
    "error_500_policy": (errors.Refused, NONE),
    "error_502_page": (errors.OutcomeUnknown, UNKNOWN),
}


def test_every_sample_has_its_case() -> None:
    assert samples_of("nanobananaapi") == {*DELIVERED, *FAILED}


@pytest.mark.parametrize("name", DELIVERED)
def test_links_are_delivered_in_every_shape_that_clients_saw(name: str) -> None:
    answer = outcome(NANO, sample("nanobananaapi", name))

    assert answer == Delivered(images=DELIVERED[name])


@pytest.mark.parametrize("name", FAILED)
def test_any_other_answer_says_what_it_is_and_what_it_cost(name: str) -> None:
    error = outcome(NANO, sample("nanobananaapi", name))

    assert isinstance(error, AttemptError)
    assert (type(error), error.charge) == FAILED[name]


@pytest.mark.parametrize(("name", "wait_s"), [("code_rate", 11.0), ("error_429", 6.0)])
def test_a_throttle_keeps_the_wait_that_was_asked_for(name: str, wait_s: float) -> None:
    error = outcome(NANO, sample("nanobananaapi", name))

    assert isinstance(error, errors.Throttled)
    assert error.retry_after_s == wait_s


def test_a_link_that_came_without_any_code_is_not_thrown_away() -> None:
    answer = outcome(NANO, reply({"data": {"url": ONE.url}}))

    assert answer == Delivered(images=(ONE,))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(False, id="boolean"),
        pytest.param(1, id="one"),
        pytest.param(200, id="status"),
        pytest.param("", id="empty"),
        pytest.param(Decimal("NaN"), id="nan"),
        pytest.param(Decimal("sNaN"), id="signalling-nan"),
        pytest.param([0], id="array"),
    ],
)
def test_a_link_beside_a_code_that_states_no_error_is_not_thrown_away(
    code: Json,
) -> None:
    body: Json = {"code": code, "message": "ok", "data": {"url": ONE.url}}

    assert outcome(NANO, reply(body)) == Delivered(images=(ONE,))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(None, errors.ReplyMalformed, id="null"),
        pytest.param("hello", errors.ReplyMalformed, id="text"),
        pytest.param([], errors.ReplyMalformed, id="array"),
        pytest.param({}, errors.ReplyMalformed, id="empty-object"),
        pytest.param({"data": None}, errors.ReplyMalformed, id="no-code"),
        pytest.param(
            {"code": 0, "data": {"url": 5}}, errors.ReplyMalformed, id="number"
        ),
        pytest.param(
            {"code": 0, "data": {"url": ["ftp://x"]}}, errors.ReplyMalformed, id="ftp"
        ),
        pytest.param({"code": 0, "data": []}, errors.NoImage, id="data-array"),
        pytest.param(
            {"code": 0, "message": "blocked: IMAGE_SAFETY", "data": None},
            errors.Refused,
            id="refused-as-success",
        ),
    ],
)
def test_a_success_without_an_image_is_never_surely_free(
    body: Json, kind: type[AttemptError]
) -> None:
    error = failed(body)

    assert (type(error), error.charge) == (kind, UNKNOWN)
