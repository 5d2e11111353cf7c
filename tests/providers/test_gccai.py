from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from batchgen import errors
from batchgen.errors import AttemptError, Charge
from batchgen.model import (
    Accepted,
    Attachment,
    DataUri,
    Delivered,
    ImageRequest,
    Inline,
    Json,
    Link,
    Reply,
    Running,
)
from batchgen.providers.base import TaskProvider, UploadProvider
from batchgen.providers.gccai import Gccai
from tests.providers.samples import ENDPOINT, reply, sample, samples_of

GCC = Gccai()
TASK = "task_01K8SGYNNNVBQTXNR4MM964S7K"
ONE, TWO = (
    Link(f"https://upload.apimart.ai/f/image/{number}.png") for number in (1, 2)
)

DELIVERED = {
    "poll_completed": ((ONE,), None),
    "poll_completed_string": ((ONE,), None),
    "poll_completed_several_urls": ((ONE, TWO), None),
    "poll_completed_several_images": ((ONE, TWO), None),
    "poll_completed_cost": ((ONE,), "0.0585"),
    "poll_completed_credits_cost": ((ONE,), "5.85"),
    "poll_success": ((ONE,), None),
    "poll_succeeded": ((ONE,), None),
}
RUNNING = ("poll_pending", "poll_processing", "poll_in_progress", "poll_submitted")
FAILED: dict[str, type[AttemptError]] = {
    "poll_failed_code_number": errors.GenerationFailed,
    "poll_failed_code_text": errors.GenerationFailed,
    "poll_failed_string": errors.GenerationFailed,
    "poll_cancelled": errors.GenerationFailed,
    "poll_canceled": errors.GenerationFailed,
    "poll_failed_moderation": errors.Refused,
    "poll_failed_policy_string": errors.Refused,
    "poll_failed_file_format": errors.RequestInvalid,
    "poll_completed_empty": errors.NoImage,
    "poll_completed_without_result": errors.NoImage,
}
SUBMITTED = ("submitted", "submitted_object", "submitted_code_text")
TURNED_DOWN: dict[str, type[AttemptError]] = {
    "error_400_validation": errors.RequestInvalid,
    "error_400_moderation": errors.Refused,
    "error_400_too_long": errors.RequestInvalid,
    "error_400_file_format": errors.RequestInvalid,
    "error_401": errors.CredentialRejected,
    "error_402": errors.OutOfCredit,
    "error_403": errors.CredentialRejected,
    "error_404_model": errors.ModelGone,
    "error_413_page": errors.RequestInvalid,
    "error_429": errors.Throttled,
    "error_500": errors.ProviderDown,
    "error_503": errors.ProviderDown,
    "error_200_code_400_validation": errors.RequestInvalid,
    "error_200_code_400_moderation": errors.Refused,
    "error_200_code_401": errors.CredentialRejected,
    "error_200_code_402": errors.OutOfCredit,
    "error_200_code_403": errors.CredentialRejected,
    "error_200_code_404_model": errors.ModelGone,
    "error_200_code_429": errors.Throttled,
    "error_200_code_500": errors.OutcomeUnknown,
    "error_200_code_text": errors.OutOfCredit,
    "error_200_code_word": errors.CredentialRejected,
    "error_200_string": errors.OutcomeUnknown,
    "error_200_policy_string": errors.Refused,
}
# A 200 that states another status than one of a request that nobody worked on.
UNSURE = {
    *("error_200_code_400_validation", "error_200_code_400_moderation"),
    *("error_200_code_500", "error_200_string", "error_200_policy_string"),
}
POLL_ERRORS: dict[str, type[AttemptError]] = {
    "error_404_task": errors.TaskLost,
    "error_400_validation": errors.Incomplete,
    "error_401": errors.CredentialRejected,
    "error_429": errors.Throttled,
    "error_500": errors.ProviderDown,
    "error_200_code_401": errors.CredentialRejected,
    "error_200_code_429": errors.Throttled,
    "error_200_string": errors.ProviderDown,
    "error_502_page": errors.OutcomeUnknown,
}
OTHERS = {"uploaded", "error_502_page", "error_404_task", "poll_failed_cost"}


def error_of(decode: Callable[[Reply], object], answer: Reply) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        decode(answer)
    return caught.value


def poll(answer: Reply) -> Delivered | Running:
    return GCC.decode_poll(answer, ENDPOINT)


def polled(data: Json) -> Delivered | Running:
    return GCC.decode_poll(reply({"code": 200, "data": data}), ENDPOINT)


def test_it_sells_tasks_takes_uploads_and_has_no_address_of_its_own() -> None:
    assert isinstance(GCC, TaskProvider)
    assert isinstance(GCC, UploadProvider)
    assert GCC.defaults.base_url is None
    assert not GCC.prices
    assert not GCC.rates


def test_every_sample_has_its_case() -> None:
    cases = {*DELIVERED, *RUNNING, *FAILED, *SUBMITTED, *TURNED_DOWN, *OTHERS}

    assert samples_of("gccai") == cases


def test_a_request_that_states_nothing_sends_model_and_prompt_alone() -> None:
    call = GCC.encode(ImageRequest(prompt="a cat"), "m", ENDPOINT)

    assert call.method == "POST"
    assert call.url == "https://api.example/v1/images/generations"
    assert call.headers == {"authorization": "Bearer k-123"}
    assert call.json == {"model": "m", "prompt": "a cat"}


def test_a_request_that_states_everything_sends_every_field() -> None:
    image = Inline("image/png", b"AAAA")
    request = ImageRequest(
        prompt="a cat",
        references=("https://example.com/a.png", "b.png"),
        aspect_ratio="21:9",
        resolution="4K",
        n=4,
        options={"official_fallback": True, "web_search": True, "image_search": True},
    )

    call = GCC.encode(request, "m", ENDPOINT, (Link("https://example.com/a"), image))

    assert call.json is not None
    match call.json["image_urls"]:
        case [str(first), DataUri(image=second)]:
            assert (first, second) == ("https://example.com/a", image)
        case other:
            pytest.fail(f"not two URLs: {other!r}")
    assert dict(call.json) | {"image_urls": None} == {
        "model": "m",
        "prompt": "a cat",
        "size": "21:9",
        "resolution": "4K",
        "n": 4,
        "official_fallback": True,
        "image_urls": None,
        "google_search": True,
        "google_image_search": True,
    }
    assert type(call.json["n"]) is int  # "do not use quotes or it will cause an error"


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        pytest.param(ImageRequest(prompt="p", resolution="1K"), {}, id="1K"),
        pytest.param(ImageRequest(prompt="p", n=1), {}, id="one"),
        pytest.param(
            ImageRequest(
                prompt="p",
                options={
                    "official_fallback": False,
                    "web_search": False,
                    "image_search": False,
                },
            ),
            {},
            id="off",
        ),
        pytest.param(
            ImageRequest(prompt="p", resolution="512"),
            {"resolution": "0.5K"},
            id="512-under-its-name",
        ),
        pytest.param(
            ImageRequest(prompt="p", aspect_ratio="auto"), {"size": "auto"}, id="auto"
        ),
        pytest.param(
            ImageRequest(prompt="p", aspect_ratio="1:1"), {"size": "1:1"}, id="1:1"
        ),
    ],
)
def test_only_what_is_no_documented_default_is_sent(
    request_: ImageRequest, sent: dict[str, object]
) -> None:
    call = GCC.encode(request_, "m", ENDPOINT)

    assert call.json == {"model": "m", "prompt": "p", **sent}


@pytest.mark.parametrize(
    ("request_", "columns"),
    [
        pytest.param(
            ImageRequest(prompt="p", aspect_ratio="7:5"), ["aspect_ratio"], id="ratio"
        ),
        pytest.param(
            ImageRequest(prompt="p", resolution="8K"), ["resolution"], id="resolution"
        ),
        pytest.param(
            ImageRequest(prompt="p", references=("http://x/a",) * 15),
            ["references"],
            id="references",
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"image_search": True}),
            ["image_search"],
            id="image-search-alone",
        ),
        pytest.param(
            ImageRequest(prompt="p", references=("http://x/a",) * 14), [], id="most"
        ),
    ],
)
def test_what_the_page_lacks_is_a_misfit(
    request_: ImageRequest, columns: list[str]
) -> None:
    assert [name for name, _ in GCC.capabilities.unsupported(request_)] == columns


@pytest.mark.parametrize("name", SUBMITTED)
def test_a_submit_names_the_task(name: str) -> None:
    assert GCC.decode(sample("gccai", name)) == Accepted(handle=TASK)


@pytest.mark.parametrize("name", TURNED_DOWN)
def test_a_submit_that_is_turned_down_made_no_task(name: str) -> None:
    error = error_of(GCC.decode, sample("gccai", name))

    charge = Charge.UNKNOWN if name in UNSURE else Charge.NONE
    assert (type(error), error.charge) == (TURNED_DOWN[name], charge)


def test_a_throttle_keeps_the_wait_that_was_asked_for() -> None:
    assert error_of(GCC.decode, sample("gccai", "error_429")).retry_after_s == 7.0


def test_a_page_after_a_submit_leaves_the_outcome_unknown() -> None:
    error = error_of(GCC.decode, sample("gccai", "error_502_page"))

    assert (type(error), error.charge) == (errors.OutcomeUnknown, Charge.UNKNOWN)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(0, id="zero"),
        pytest.param(-1, id="negative"),
        pytest.param(10**30, id="endless"),
        pytest.param(Decimal("400.5"), id="fraction"),
        pytest.param("bad_thing", id="word"),
        pytest.param(True, id="boolean"),
        pytest.param([], id="list"),
        pytest.param("²²²", id="digits-that-are-none"),
    ],
)
def test_a_200_with_any_other_code_is_an_error(code: Json) -> None:
    body: Json = {"code": code, "message": "no", "data": None}

    assert type(error_of(GCC.decode, reply(body))) is errors.RequestInvalid


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="empty-body"),
        pytest.param([], id="array"),
        pytest.param({}, id="nothing"),
        pytest.param({"code": 200}, id="no-data"),
        pytest.param({"code": 200, "data": []}, id="no-task"),
        pytest.param({"code": 200, "data": [None]}, id="null-task"),
        pytest.param({"code": 200, "data": {"task_id": 7}}, id="number-id"),
        pytest.param({"code": 200, "data": {"task_id": "a b"}}, id="id-with-space"),
    ],
)
def test_a_submit_without_task_id_may_have_made_a_task(body: Json) -> None:
    error = error_of(GCC.decode, reply(body))

    assert (type(error), error.charge) == (errors.ReplyMalformed, Charge.UNKNOWN)


def test_a_submit_that_is_at_its_end_already_is_taken_as_such() -> None:
    done = GCC.decode(sample("gccai", "poll_completed"))
    failed = error_of(GCC.decode, sample("gccai", "poll_failed_moderation"))

    assert done == Delivered(images=(ONE,), request_id=TASK)
    assert type(failed) is errors.Refused


def test_a_poll_asks_for_the_task_and_buys_nothing() -> None:
    call = GCC.encode_poll("task/../1", ENDPOINT)

    assert (call.method, call.json, call.form) == ("GET", None, None)
    assert call.url == "https://api.example/v1/tasks/task%2F..%2F1?language=en"
    assert call.headers == {"authorization": "Bearer k-123"}


@pytest.mark.parametrize("name", DELIVERED)
def test_a_completed_task_delivers_its_links_in_every_documented_shape(
    name: str,
) -> None:
    images, credits_cost = DELIVERED[name]
    usage = {"credit": Decimal(credits_cost)} if credits_cost else {}

    answer = GCC.decode_poll(sample("gccai", name), ENDPOINT)

    assert answer == Delivered(images=images, usage=usage, request_id=TASK)


@pytest.mark.parametrize("name", RUNNING)
def test_a_task_under_way_is_running(name: str) -> None:
    assert GCC.decode_poll(sample("gccai", name), ENDPOINT) == Running()


@pytest.mark.parametrize("status", ["queued", "PENDING", "some_new_state"])
def test_a_state_that_nobody_documents_is_not_an_end(status: str) -> None:
    assert polled({"id": TASK, "status": status}) == Running()


@pytest.mark.parametrize("name", FAILED)
def test_a_task_without_images_says_why_and_nobody_says_what_it_cost(
    name: str,
) -> None:
    error = error_of(poll, sample("gccai", name))

    assert (type(error), error.charge) == (FAILED[name], Charge.UNKNOWN)
    assert error.request_id == TASK


def test_a_failed_task_that_says_its_cost_is_charged() -> None:
    error = error_of(poll, sample("gccai", "poll_failed_cost"))

    assert (type(error), error.charge) == (errors.GenerationFailed, Charge.REPORTED)
    assert error.usage == {"credit": Decimal("5.85")}


@pytest.mark.parametrize(
    "cost",
    [
        pytest.param(0, id="zero"),
        pytest.param(-1, id="negative"),
        pytest.param("5", id="text"),
        pytest.param(True, id="boolean"),
        pytest.param(Decimal("NaN"), id="nan"),
        pytest.param(10**400, id="endless"),
    ],
)
def test_a_cost_that_cannot_be_one_is_not_said(cost: Json) -> None:
    task: Json = {
        "id": TASK,
        "status": "completed",
        "credits_cost": cost,
        "result": {"images": [{"url": ONE.url}]},
    }

    assert polled(task) == Delivered(images=(ONE,), request_id=TASK)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"images": [{"url": 5}]}, id="number"),
        pytest.param({"images": [{"url": ["nowhere"]}]}, id="no-url"),
    ],
)
def test_a_result_that_cannot_be_read_may_have_been_charged(result: Json) -> None:
    data: Json = {"id": TASK, "status": "completed", "result": result}
    error = error_of(poll, reply({"code": 200, "data": data}))

    assert (type(error), error.charge) == (errors.ReplyMalformed, Charge.UNKNOWN)


@pytest.mark.parametrize("name", POLL_ERRORS)
def test_a_poll_that_fails_ends_the_task_only_where_it_is_lost(name: str) -> None:
    error = error_of(poll, sample("gccai", name))

    assert type(error) is POLL_ERRORS[name]


@pytest.mark.parametrize("body", ["<html>maintenance</html>", None, []])
def test_a_page_in_place_of_a_task_breaks_the_poll_and_loses_nothing(
    body: Json,
) -> None:
    assert type(error_of(poll, reply(body))) is errors.Incomplete


def test_an_upload_sends_the_file_alone() -> None:
    image = Attachment("a.png", "image/png", b"bytes")

    call = GCC.encode_upload(image, ENDPOINT)

    assert call.method == "POST"
    assert call.url == "https://api.example/v1/uploads/images"
    assert call.headers == {"authorization": "Bearer k-123"}
    assert call.form == [("file", image)]


def test_an_upload_answers_with_its_link() -> None:
    link = GCC.decode_upload(sample("gccai", "uploaded"))

    assert link == Link("https://upload.apimart.ai/f/image/up-1.png")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(
            sample("gccai", "error_413_page"), errors.RequestInvalid, id="413"
        ),
        pytest.param(
            sample("gccai", "error_200_code_401"), errors.CredentialRejected, id="key"
        ),
        pytest.param(sample("gccai", "error_429"), errors.Throttled, id="429"),
        pytest.param(sample("gccai", "error_500"), errors.ProviderDown, id="500"),
        pytest.param(reply({"filename": "a.png"}), errors.ReplyMalformed, id="no-url"),
        pytest.param(reply("<html>"), errors.ReplyMalformed, id="page"),
    ],
)
def test_an_upload_that_fails_bought_nothing(
    answer: Reply, kind: type[AttemptError]
) -> None:
    error = error_of(GCC.decode_upload, answer)

    assert (type(error), error.charge) == (kind, Charge.NONE)
