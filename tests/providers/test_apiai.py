from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen import errors
from batchgen.errors import AttemptError, Charge
from batchgen.model import Attachment, Blob, Delivered, ImageRequest, Json
from batchgen.providers.apiai import ApiAi
from batchgen.providers.base import Endpoint, Provider
from tests.providers.samples import ENDPOINT, outcome, reply, sample, samples_of

APIAI: Provider = ApiAi()
REQUEST_ID = "6f1c2f0a-3a76-4d0e-9a55-0c5b6a1d7e21"
NONE, UNKNOWN, REPORTED = Charge.NONE, Charge.UNKNOWN, Charge.REPORTED


def failed(body: Json, status: int = 200, cost: str | None = None) -> AttemptError:
    headers = {} if cost is None else {"x-cost": cost}
    error = outcome(APIAI, reply(body, status, headers))
    assert isinstance(error, AttemptError)
    return error


def test_a_request_that_states_nothing_still_says_the_resolution_it_pays_for() -> None:
    call = APIAI.encode(ImageRequest(prompt="a cat"), "nano-banana-2-2", ENDPOINT)

    assert (call.method, call.json) == ("POST", None)
    assert call.url == "https://api.example/api/workflow/nano-banana-2-2"
    assert call.headers == {"x-api-key": "k-123"}
    assert call.form == [("PROMPT", "a cat"), ("image_size", "1K")]


def test_a_request_that_states_everything_sends_every_field() -> None:
    first = Attachment("a.png", "image/png", b"a")
    second = Attachment("b.jpg", "image/jpeg", b"b")
    request = ImageRequest(
        prompt="a cat",
        references=("a.png", "b.jpg"),
        aspect_ratio="16:9",
        resolution="4K",
        options={
            "top_p": 0.95,
            "top_k": 64,
            "temperature": 1.0,
            "safety_filter_level": "BLOCK_NONE",
            "person_generation": "allow_adult",
            "negative_prompt": "dogs",
            "max_output_tokens": 65536,
        },
    )

    call = APIAI.encode(request, "nano-banana-2-2", ENDPOINT, [second, first])

    assert call.form == [
        ("PROMPT", "a cat"),
        ("aspect_ratio", "16:9"),
        ("image_size", "4K"),
        ("max_output_tokens", "65536"),
        ("negative_prompt", "dogs"),
        ("person_generation", "allow_adult"),
        ("safety_filter_level", "BLOCK_NONE"),
        ("temperature", "1"),
        ("top_k", "64"),
        ("top_p", "0.95"),
        ("image", second),
        ("image", first),
    ]


def test_nothing_is_sent_for_an_empty_option_and_a_zero_is() -> None:
    request = ImageRequest(
        prompt="p",
        resolution="512",
        options={"negative_prompt": "", "temperature": 0.0},
    )

    call = APIAI.encode(request, "m", ENDPOINT)

    assert call.form == [("PROMPT", "p"), ("image_size", "512"), ("temperature", "0")]


@pytest.mark.parametrize(
    ("base_url", "choice", "url"),
    [
        pytest.param(
            "https://apiai.me/api",
            None,
            "https://apiai.me/api/workflow/nano-banana-2-2",
            id="base-with-api",
        ),
        pytest.param(
            "https://apiai.me",
            "/api/process/nano-banana-2",
            "https://apiai.me/api/process/nano-banana-2",
            id="path",
        ),
        pytest.param(
            "https://apiai.me/api",
            "api/process/nano-banana-2",
            "https://apiai.me/api/process/nano-banana-2",
            id="path-without-slash",
        ),
    ],
)
def test_the_path_is_the_pages_unless_the_job_says_another(
    base_url: str, choice: str | None, url: str
) -> None:
    endpoint = Endpoint(base_url, "k", choice)

    assert APIAI.encode(ImageRequest(prompt="p"), "m", endpoint).url == url


@pytest.mark.parametrize(
    ("request_", "column"),
    [
        pytest.param(ImageRequest(prompt="p", aspect_ratio="21:9"), "aspect_ratio"),
        pytest.param(ImageRequest(prompt="p", resolution="8K"), "resolution"),
        pytest.param(
            ImageRequest(prompt="p", references=("a.png",) * 15), "references"
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"temperature": 1.5}), "temperature"
        ),
        pytest.param(ImageRequest(prompt="p", options={"top_k": 65}), "top_k"),
        pytest.param(ImageRequest(prompt="p", options={"top_p": -0.1}), "top_p"),
        pytest.param(
            ImageRequest(prompt="p", options={"max_output_tokens": 65537}),
            "max_output_tokens",
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"person_generation": "all"}),
            "person_generation",
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"safety_filter_level": "OFF"}),
            "safety_filter_level",
        ),
    ],
)
def test_what_the_page_lacks_is_a_misfit(request_: ImageRequest, column: str) -> None:
    assert [name for name, _ in APIAI.capabilities.unsupported(request_)] == [column]


def test_a_row_that_uses_all_of_the_page_fits() -> None:
    request = ImageRequest(
        prompt="p",
        references=("a.png",) * 14,
        aspect_ratio="9:16",
        resolution="512",
        options={
            "max_output_tokens": 1,
            "negative_prompt": "x",
            "person_generation": "dont_allow",
            "safety_filter_level": "BLOCK_ONLY_HIGH",
            "temperature": 0.0,
            "top_k": 1,
            "top_p": 1.0,
        },
    )

    assert list(APIAI.capabilities.unsupported(request)) == []
    assert APIAI.capabilities.missing_options(request) == ()
    web_search = ImageRequest(prompt="p", options={"web_search": True})
    assert APIAI.capabilities.missing_options(web_search) == ("web_search",)


def test_files_are_parts_and_a_link_is_fetched_first() -> None:
    rules = APIAI.capabilities.references

    assert rules.carrier_of("https://example.com/a.png") == "part"
    assert rules.carrier_of("a.png") == "part"


DELIVERED = {"image": Decimal("0.067"), "image_without_cost": None}
FAILED: dict[str, tuple[type[AttemptError], Charge]] = {
    "success_text": (errors.NoImage, UNKNOWN),
    "success_error": (errors.NoImage, UNKNOWN),
    "success_error_charged": (errors.NoImage, REPORTED),
    "success_refused": (errors.Refused, UNKNOWN),
    "success_page": (errors.WrongAddress, NONE),
    "error_400": (errors.RequestInvalid, NONE),
    "error_400_code": (errors.OutOfCredit, NONE),
    "error_400_object": (errors.RequestInvalid, NONE),
    "error_400_message": (errors.RequestInvalid, NONE),
    "error_400_text": (errors.RequestInvalid, NONE),
    "error_400_recitation": (errors.Refused, NONE),
    "error_401": (errors.CredentialRejected, NONE),
    "error_402": (errors.OutOfCredit, NONE),
    "error_403": (errors.CredentialRejected, NONE),
    "error_403_balance": (errors.OutOfCredit, NONE),
    "error_404": (errors.ModelGone, NONE),
    "error_413": (errors.RequestInvalid, NONE),
    "error_429": (errors.Throttled, NONE),
    "error_500": (errors.ProviderDown, NONE),
    "error_500_safety": (errors.Refused, NONE),
    "error_502_page": (errors.OutcomeUnknown, UNKNOWN),
}


def test_every_sample_has_its_case() -> None:
    assert samples_of("apiai") == {*DELIVERED, *FAILED}


@pytest.mark.parametrize("name", DELIVERED)
def test_the_bytes_of_an_image_are_the_success(name: str) -> None:
    answer = outcome(APIAI, sample("apiai", name))

    assert isinstance(answer, Delivered)
    (image,) = answer.images
    assert isinstance(image, Blob)
    assert image.data.startswith(b"\x89PNG")
    assert answer.cost_usd == DELIVERED[name]
    assert answer.request_id == (REQUEST_ID if name == "image" else None)


@pytest.mark.parametrize("name", FAILED)
def test_any_other_answer_says_what_it_is_and_what_it_cost(name: str) -> None:
    error = outcome(APIAI, sample("apiai", name))

    assert isinstance(error, AttemptError)
    assert (type(error), error.charge) == FAILED[name]


def test_a_charge_for_an_answer_without_an_image_is_told_with_its_id() -> None:
    error = outcome(APIAI, sample("apiai", "success_error_charged"))

    assert isinstance(error, AttemptError)
    assert error.cost_usd == Decimal("0.067")
    assert error.request_id == REQUEST_ID


def test_a_path_that_is_gone_says_where_the_tool_may_be() -> None:
    error = outcome(APIAI, sample("apiai", "error_404"))

    assert isinstance(error, AttemptError)
    assert error.message.startswith("Workflow not found; ")
    assert "/api/process/<slug>: set `endpoint`" in error.message


def test_a_throttle_keeps_the_wait_that_was_asked_for() -> None:
    error = outcome(APIAI, sample("apiai", "error_429"))

    assert isinstance(error, errors.Throttled)
    assert error.retry_after_s == 9.0


@pytest.mark.parametrize("cost", ["", "free", "NaN", "-1", "Infinity", "\ud800", "$1"])
def test_a_cost_that_is_no_amount_is_unknown(cost: str) -> None:
    image = outcome(APIAI, reply(Blob(b"png"), headers={"x-cost": cost}))

    assert isinstance(image, Delivered)
    assert image.cost_usd is None
    assert failed({"error": "no"}, cost=cost).charge is UNKNOWN


def test_a_cost_of_nothing_is_believed_with_an_image_alone() -> None:
    image = outcome(APIAI, reply(Blob(b"png"), headers={"x-cost": "0"}))

    assert isinstance(image, Delivered)
    assert image.cost_usd == 0
    assert failed({"error": "no"}, cost="0").charge is UNKNOWN


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(Blob(b""), errors.NoImage, id="no-bytes"),
        pytest.param(None, errors.ReplyMalformed, id="null"),
        pytest.param([], errors.ReplyMalformed, id="array"),
        pytest.param({}, errors.ReplyMalformed, id="empty-object"),
        pytest.param({"error": None}, errors.ReplyMalformed, id="error-null"),
        pytest.param({"error": 5}, errors.ReplyMalformed, id="error-number"),
        pytest.param("IMAGE_PROHIBITED_CONTENT", errors.Refused, id="text-refusal"),
    ],
)
def test_a_success_without_an_image_is_never_surely_free(
    body: Json, kind: type[AttemptError]
) -> None:
    error = failed(body)

    assert (type(error), error.charge) == (kind, UNKNOWN)
