from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from batchgen import errors
from batchgen.errors import AttemptError, Charge
from batchgen.model import (
    Accepted,
    Delivered,
    ImageRequest,
    Link,
    Next,
    Reply,
    Running,
)
from batchgen.providers.base import Endpoint, TaskProvider, UploadProvider
from batchgen.providers.fal import MODEL, Fal
from tests.providers.samples import outcome, sample, samples_of

FAL: TaskProvider = Fal()
ENDPOINT = Endpoint("https://queue.fal.run", "k-123")
ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
TASK = f"https://queue.fal.run/{MODEL}/requests/{ID}"
FILES = "https://v3b.fal.media/files/b"
ONE, TWO = (Link(f"{FILES}/{name}.png") for name in ("one", "two"))
KEY = {"authorization": "Key k-123"}

SUBMIT_ERRORS: dict[str, tuple[type[AttemptError], Charge]] = {
    "error_401": (errors.CredentialRejected, Charge.NONE),
    "error_403_balance": (errors.OutOfCredit, Charge.NONE),
    "error_404_model": (errors.ModelGone, Charge.NONE),
    "error_422": (errors.RequestInvalid, Charge.NONE),
    "error_422_policy": (errors.Refused, Charge.NONE),
    "error_429": (errors.Throttled, Charge.NONE),
    "error_500": (errors.ProviderDown, Charge.NONE),
    "error_503": (errors.ProviderDown, Charge.NONE),
    "error_502_page": (errors.OutcomeUnknown, Charge.UNKNOWN),
}
POLL_ERRORS: dict[str, type[AttemptError]] = {
    "status_failed_policy": errors.Refused,
    "status_failed_timeout": errors.GenerationFailed,
    "result_empty": errors.NoImage,
    "result_failed_policy": errors.Refused,
    "result_failed_no_media": errors.NoImage,
    "result_failed_file": errors.RequestInvalid,
    "result_failed_downstream": errors.GenerationFailed,
    "result_failed_internal": errors.GenerationFailed,
}
ASKED_AGAIN: dict[str, type[AttemptError]] = {
    "error_404_task": errors.TaskLost,
    "error_401": errors.CredentialRejected,
    "error_429": errors.Throttled,
    "error_500": errors.ProviderDown,
    "error_502_page": errors.OutcomeUnknown,
}
ANSWERS = {
    *("submitted", "submitted_without_urls", "status_in_queue", "status_in_progress"),
    *("status_completed", "status_completed_without_urls", "result", "result_several"),
    "result_in_progress",
}


def poll(reply: Reply) -> Delivered | Running | Next:
    return FAL.decode_poll(reply, ENDPOINT)


def error_of(decode: Callable[[Reply], object], reply: Reply) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        decode(reply)
    return caught.value


def test_each_sample_is_read_by_a_test() -> None:
    assert samples_of("fal") == {*SUBMIT_ERRORS, *POLL_ERRORS, *ASKED_AGAIN, *ANSWERS}
    assert not isinstance(FAL, UploadProvider)


def test_a_request_that_states_nothing_sends_its_prompt_alone() -> None:
    call = FAL.encode(ImageRequest(prompt="a cat"), MODEL, ENDPOINT)

    assert (call.method, call.url) == ("POST", f"https://queue.fal.run/{MODEL}")
    assert call.headers == KEY
    assert call.json == {"prompt": "a cat"}


def test_a_request_that_states_everything_sends_every_field_to_edit() -> None:
    request = ImageRequest(
        prompt="a cat",
        references=("https://example.com/a.png",),
        aspect_ratio="21:9",
        resolution="512",
        n=3,
        options={"output_format": "jpg", "web_search": True},
    )

    call = FAL.encode(request, MODEL, ENDPOINT, (Link("https://example.com/a.png"),))

    assert call.url == f"https://queue.fal.run/{MODEL}/edit"
    assert call.json == {
        "prompt": "a cat",
        "num_images": 3,
        "aspect_ratio": "21:9",
        "resolution": "0.5K",
        "output_format": "jpeg",
        "enable_web_search": True,
        "image_urls": ["https://example.com/a.png"],
    }


def test_the_handle_of_a_task_is_the_url_that_the_reply_names() -> None:
    accepted = FAL.decode(sample("fal", "submitted"))

    assert accepted == Accepted(handle=f"{TASK}/status", request_id=ID)
    call = FAL.encode_poll(accepted.handle, ENDPOINT)
    assert (call.method, call.url, call.headers) == ("GET", f"{TASK}/status", KEY)


def test_without_a_url_the_documented_one_is_asked() -> None:
    accepted = FAL.decode(sample("fal", "submitted_without_urls"))

    assert accepted == Accepted(handle=ID)
    assert FAL.encode_poll(ID, ENDPOINT).url == f"{TASK}/status"


@pytest.mark.parametrize("name", ["status_completed", "status_completed_without_urls"])
def test_a_completed_status_leads_to_the_result(name: str) -> None:
    following = poll(sample("fal", name))

    assert isinstance(following, Next)
    assert (following.call.method, following.call.url) == ("GET", TASK)
    assert following.call.headers == KEY


@pytest.mark.parametrize(
    "url", [f"https://evil.example/{MODEL}/requests/{ID}", f"//evil.example/{ID}"]
)
def test_the_key_goes_to_the_endpoints_own_host_alone(url: str) -> None:
    status = sample("fal", "status_completed")
    assert isinstance(status.body, dict)

    following = poll(replace(status, body={**status.body, "response_url": url}))

    assert isinstance(following, Next)
    for call in (following.call, FAL.encode_poll(url, ENDPOINT)):
        assert call.url.startswith("https://queue.fal.run/")


@pytest.mark.parametrize(
    "name", ["status_in_queue", "status_in_progress", "result_in_progress"]
)
def test_a_task_that_is_under_way_runs(name: str) -> None:
    assert poll(sample("fal", name)) == Running()


def test_a_result_has_its_images_in_order() -> None:
    assert poll(sample("fal", "result")) == Delivered(images=(ONE,))
    assert poll(sample("fal", "result_several")) == Delivered(images=(ONE, TWO))


@pytest.mark.parametrize("name", SUBMIT_ERRORS)
def test_a_submit_that_fails_is_what_its_words_and_status_say(name: str) -> None:
    error = outcome(FAL, sample("fal", name))

    assert isinstance(error, AttemptError)
    assert (type(error), error.charge) == SUBMIT_ERRORS[name]


@pytest.mark.parametrize("name", POLL_ERRORS)
def test_a_task_that_failed_may_have_been_charged(name: str) -> None:
    error = error_of(poll, sample("fal", name))

    assert (type(error), error.charge) == (POLL_ERRORS[name], Charge.UNKNOWN)


@pytest.mark.parametrize("name", ASKED_AGAIN)
def test_a_question_that_fails_ends_no_task(name: str) -> None:
    assert type(error_of(poll, sample("fal", name))) is ASKED_AGAIN[name]
