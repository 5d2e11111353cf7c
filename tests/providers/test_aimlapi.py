from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen import errors
from batchgen.errors import Again, AttemptError, Charge
from batchgen.model import (
    BASE64_KEYS,
    Blob,
    DataUri,
    Delivered,
    ImageRequest,
    Inline,
    Json,
    Link,
)
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.base import Provider
from tests.prices import at
from tests.providers.samples import ENDPOINT, reply, sample

AIML: Provider = AimlApi()
URL = (
    "https://cdn.aimlapi.com/generations/openai-image-generation/"
    "1772185796077-3fc5b418-64ab-4b12-80a4-40185b9fbb2a.png"
)
REQUEST_ID = "0d4f3f0e-6a6b-4a44-9a3e-2f9d1f1f6c11"


def delivered(body: Json, headers: dict[str, str] | None = None) -> Delivered:
    answer = AIML.decode(reply(body, 200, headers))
    assert isinstance(answer, Delivered)
    return answer


def raised(body: Json, status: int = 200) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        AIML.decode(reply(body, status))
    return caught.value


def test_a_request_that_states_nothing_sends_model_and_prompt_alone() -> None:
    call = AIML.encode(ImageRequest(prompt="a cat"), "google/nano-banana-2", ENDPOINT)

    assert call.method == "POST"
    assert call.url == "https://api.example/v1/images/generations"
    assert call.headers["authorization"] == "Bearer k-123"
    assert call.json == {"model": "google/nano-banana-2", "prompt": "a cat"}
    assert call.blob_keys == BASE64_KEYS


def test_documented_defaults_are_left_out() -> None:
    request = ImageRequest(
        prompt="p",
        aspect_ratio="1:1",
        resolution="1K",
        options={"web_search": False},
    )

    assert AIML.encode(request, "m", ENDPOINT).json == {"model": "m", "prompt": "p"}


def test_a_request_that_states_everything_sends_every_field() -> None:
    inline = Inline("image/png", b"AAAA")
    request = ImageRequest(
        prompt="a cat",
        references=("https://example.com/a.png", "b.png"),
        aspect_ratio="16:9",
        resolution="4K",
        options={"web_search": True},
    )

    references = (Link("https://example.com/a.png"), inline)
    model = "google/gemini-3-1-flash-image-preview"
    call = AIML.encode(request, model, ENDPOINT, references)

    assert call.json is not None
    body = dict(call.json)
    match body.pop("image_urls"):
        case [first, DataUri() as second]:
            assert (first, second.image) == ("https://example.com/a.png", inline)
        case other:
            pytest.fail(f"not a link and a data URI: {other}")
    assert body == {
        "model": model,
        "prompt": "a cat",
        "aspect_ratio": "16:9",
        "resolution": "4K",
        "enable_web_search": True,
    }


@pytest.mark.parametrize(
    ("request_", "column"),
    [
        pytest.param(ImageRequest(prompt="p", aspect_ratio="4:5"), "aspect_ratio"),
        pytest.param(ImageRequest(prompt="p", aspect_ratio="auto"), "aspect_ratio"),
        pytest.param(ImageRequest(prompt="p", resolution="512"), "resolution"),
        pytest.param(
            ImageRequest(prompt="p", references=("http://x/a",) * 6), "references"
        ),
    ],
)
def test_what_the_schema_lacks_is_a_misfit(request_: ImageRequest, column: str) -> None:
    assert [name for name, _ in AIML.capabilities.unsupported(request_)] == [column]


def test_an_option_that_the_schema_lacks_is_named() -> None:
    request = ImageRequest(
        prompt="p", options={"web_search": True, "image_search": True}
    )

    assert AIML.capabilities.missing_options(request) == ("image_search",)


def test_the_ceiling_stands_above_every_documented_charge() -> None:
    price = at(AIML.prices, "1K")

    assert Decimal("0.0925") <= price.expected < price.ceiling
    sizes = {price.resolution for price in AIML.prices}
    assert sizes == set(AIML.capabilities.resolutions)


@pytest.mark.parametrize(
    ("name", "credits_used", "request_id"),
    [
        pytest.param("link", "178975", "inf_7c0f4f7e5b"),
        pytest.param("link_with_references", "185093", "inf_7c0f4f7e5b"),
        pytest.param("fractional_credits", "178975.25", None),
        pytest.param("without_meta", None, None),
    ],
)
def test_a_link_is_delivered_with_the_credits_that_it_took(
    name: str, credits_used: str | None, request_id: str | None
) -> None:
    answer = AIML.decode(sample("aimlapi", name))

    assert answer == Delivered(
        images=(Link(URL),),
        usage={"credit": Decimal(credits_used)} if credits_used else {},
        request_id=request_id,
    )


def test_two_million_credits_are_a_dollar() -> None:
    [credit] = AIML.rates["credit"]
    assert credit.expected * 178_975 == Decimal("0.0894875")


def test_base64_is_delivered_as_the_blob_that_came() -> None:
    answer = AIML.decode(sample("aimlapi", "base64"))

    assert isinstance(answer, Delivered)
    (image,) = answer.images
    assert isinstance(image, Blob)
    assert image.data.startswith(b"\x89PNG")
    assert answer.usage == {"credit": 178_975}


def test_base64_goes_before_a_link_and_an_empty_one_does_not() -> None:
    both = delivered({"data": [{"url": URL, "b64_json": Blob(b"png")}]})
    empty = delivered({"data": [{"url": URL, "b64_json": Blob(b"")}]})

    assert both.images == (Blob(b"png"),)
    assert empty.images == (Link(URL),)


@pytest.mark.parametrize(
    "credits_used",
    [
        pytest.param(Decimal("NaN"), id="nan"),
        pytest.param(Decimal("sNaN"), id="signalling-nan"),
        pytest.param(Decimal("Infinity"), id="infinity"),
        pytest.param(-178975, id="negative"),
        pytest.param("178975", id="text"),
        pytest.param(True, id="boolean"),
        pytest.param(None, id="null"),
    ],
)
def test_credits_that_are_no_amount_say_nothing_of_the_cost(credits_used: Json) -> None:
    meta: Json = {"usage": {"credits_used": credits_used}}

    with_image = delivered({"data": [{"url": URL}], "meta": meta})
    without = raised({"data": [], "meta": meta})

    assert with_image.usage == {}
    assert (without.charge, without.usage) == (Charge.UNKNOWN, {})


def test_an_image_that_the_provider_gives_away_costs_nothing() -> None:
    body: Json = {"data": [{"url": URL}], "meta": {"usage": {"credits_used": 0}}}

    assert delivered(body).usage == {"credit": 0}


def test_the_header_names_the_call_before_the_body_does() -> None:
    body: Json = {"data": [{"url": URL}], "requestId": "from-body"}

    assert delivered(body).request_id == "from-body"
    assert delivered(body, {"x-inference-id": "inf"}).request_id == "inf"


@pytest.mark.parametrize(
    ("name", "charge", "usage"),
    [
        pytest.param("data_null", Charge.UNKNOWN, {}),
        pytest.param("data_empty_charged", Charge.REPORTED, {"credit": 178_975}),
        pytest.param("both_null", Charge.UNKNOWN, {}),
    ],
)
def test_an_answer_without_an_image_is_never_surely_free(
    name: str, charge: Charge, usage: dict[str, Decimal]
) -> None:
    with pytest.raises(errors.NoImage) as caught:
        AIML.decode(sample("aimlapi", name))

    assert (caught.value.charge, caught.value.usage) == (charge, usage)
    assert caught.value.again is Again.NOW


def test_a_success_that_carries_an_error_is_no_image_and_a_refusal_needs_a_reason() -> (
    None
):
    failed = raised({"message": "Something wrong with the server", "requestId": "r"})
    refused = raised({"data": [], "message": "blocked by moderation"})

    assert (type(failed), failed.charge) == (errors.NoImage, Charge.UNKNOWN)
    assert failed.request_id == "r"
    assert (type(refused), refused.charge) == (errors.Refused, Charge.UNKNOWN)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="empty-body"),
        pytest.param([], id="array"),
        pytest.param({}, id="no-field"),
        pytest.param({"data": [{"url": 5}]}, id="url-number"),
        pytest.param({"data": [{"url": "ftp://x/y.png"}]}, id="url-ftp"),
        pytest.param({"data": [{"url": "https://x/\ud800"}]}, id="url-surrogate"),
        pytest.param({"data": [{"b64_json": "%%"}]}, id="base64-undecoded"),
    ],
)
def test_a_success_outside_the_protocol_may_have_been_charged(body: Json) -> None:
    error = raised(body)

    assert (type(error), error.charge) == (errors.ReplyMalformed, Charge.UNKNOWN)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("error_400_validation", errors.RequestInvalid),
        pytest.param("error_400_model", errors.ModelGone),
        pytest.param("error_400_policy", errors.Refused),
        pytest.param("error_401", errors.CredentialRejected),
        pytest.param("error_403_credit", errors.OutOfCredit),
        pytest.param("error_403_permission", errors.CredentialRejected),
        pytest.param("error_404", errors.ModelGone),
        pytest.param("error_429", errors.Throttled),
        pytest.param("error_500", errors.ProviderDown),
        pytest.param("error_500_maintenance", errors.ProviderDown),
        pytest.param("error_500_policy", errors.Refused),
        pytest.param("error_504", errors.ProviderDown),
    ],
)
def test_a_failed_request_is_never_charged(name: str, kind: type[AttemptError]) -> None:
    with pytest.raises(AttemptError) as caught:
        AIML.decode(sample("aimlapi", name))

    assert (type(caught.value), caught.value.charge) == (kind, Charge.NONE)
    assert caught.value.request_id == REQUEST_ID


def test_a_page_of_a_gateway_leaves_the_outcome_unknown() -> None:
    with pytest.raises(errors.OutcomeUnknown, match="502 Bad Gateway") as caught:
        AIML.decode(sample("aimlapi", "error_502_page"))

    assert caught.value.charge is Charge.UNKNOWN


def test_a_page_that_forbids_stops_neither_provider_nor_refuses_the_prompt() -> None:
    error = raised("<html>Sorry, your prompt was blocked</html>", 403)

    assert type(error) is errors.ProviderDown


def test_a_throttle_keeps_the_wait_that_was_asked_for() -> None:
    with pytest.raises(errors.Throttled) as caught:
        AIML.decode(sample("aimlapi", "error_429"))

    assert caught.value.retry_after_s == 7.0


def test_a_list_of_messages_becomes_one_line() -> None:
    with pytest.raises(errors.RequestInvalid) as caught:
        AIML.decode(sample("aimlapi", "error_400_validation"))

    assert caught.value.message.startswith("Body validation error; Invalid enum value")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        pytest.param("prompt too long", 400, errors.RequestInvalid, id="plain-text"),
        pytest.param({"error": {"message": "no"}}, 400, errors.RequestInvalid),
        pytest.param({"message": {"a": ["b"]}}, 400, errors.RequestInvalid),
        pytest.param({}, 503, errors.ProviderDown, id="empty-object"),
        pytest.param("", 503, errors.OutcomeUnknown, id="empty-text"),
        pytest.param("Forbidden", 403, errors.CredentialRejected, id="forbidden-text"),
        pytest.param({"message": "Unknown model x"}, 404, errors.ModelGone),
        pytest.param({"message": "image_urls.0: 404"}, 404, errors.RequestInvalid),
        pytest.param({"message": "content policy"}, 401, errors.CredentialRejected),
        pytest.param({"message": "content policy"}, 429, errors.Throttled),
        pytest.param("moved", 301, errors.WrongAddress, id="redirect"),
    ],
)
def test_an_envelope_in_another_shape_is_read_all_the_same(
    body: Json, status: int, kind: type[AttemptError]
) -> None:
    assert type(raised(body, status)) is kind
