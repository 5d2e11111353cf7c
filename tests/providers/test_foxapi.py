from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen import errors
from batchgen.errors import AttemptError, Charge
from batchgen.model import (
    Accepted,
    Attachment,
    Delivered,
    ImageRequest,
    Json,
    Link,
    OptionValue,
    Reply,
    Running,
)
from batchgen.providers.base import TaskProvider, UploadProvider
from batchgen.providers.foxapi import FoxApi
from tests.providers.samples import ENDPOINT, reply, sample

FOX = FoxApi()
TASK = "task-unified-1757165031-uyujaw3d"
ONE, TWO = (Link(f"https://cdn.foxapi.cc/a/{number}.png") for number in (1, 2))


def submit_error(body: Json, status: int) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        FOX.decode(reply(body, status))
    return caught.value


def poll_error(body: Json, status: int = 200) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        FOX.decode_poll(reply(body, status), ENDPOINT)
    return caught.value


def test_it_sells_tasks_and_takes_uploads() -> None:
    assert isinstance(FOX, TaskProvider)
    assert isinstance(FOX, UploadProvider)


def test_a_request_that_states_nothing_still_says_the_resolution_it_pays_for() -> None:
    call = FOX.encode(ImageRequest(prompt="a cat"), "m", ENDPOINT)

    assert call.method == "POST"
    assert call.url == "https://api.example/v1/images/generations"
    assert call.headers["authorization"] == "Bearer k-123"
    assert call.json == {"model": "m", "prompt": "a cat", "resolution": "1K"}


def test_a_request_that_states_everything_sends_every_field() -> None:
    request = ImageRequest(
        prompt="a cat",
        references=("https://example.com/a.png",),
        aspect_ratio="21:9",
        resolution="4K",
        options={"output_format": "webp", "web_search": True, "image_search": True},
    )

    call = FOX.encode(request, "m", ENDPOINT, (Link("https://example.com/a.png"),))

    assert call.json == {
        "model": "m",
        "prompt": "a cat",
        "aspect_ratio": "21:9",
        "resolution": "4K",
        "image_urls": ["https://example.com/a.png"],
        "output_format": "webp",
        "google_search": True,
        "image_search": True,
    }


def test_options_that_are_turned_off_are_not_sent() -> None:
    options: dict[str, OptionValue] = {
        "output_format": "",
        "web_search": False,
        "image_search": False,
    }

    call = FOX.encode(ImageRequest(prompt="a cat", options=options), "m", ENDPOINT)

    assert call.json == {"model": "m", "prompt": "a cat", "resolution": "1K"}


def test_512_is_sent_under_the_name_that_its_server_knows() -> None:
    call = FOX.encode(ImageRequest(prompt="p", resolution="512"), "m", ENDPOINT)

    assert call.json is not None
    assert call.json["resolution"] == "0.5K"


def test_auto_matches_the_input_image_where_there_is_one() -> None:
    auto = ImageRequest(prompt="p", aspect_ratio="auto")
    edit = ImageRequest(prompt="p", aspect_ratio="auto", references=("http://x/a",))

    assert FOX.encode(auto, "m", ENDPOINT).json == {
        "model": "m",
        "prompt": "p",
        "resolution": "1K",
    }
    assert FOX.encode(edit, "m", ENDPOINT, (Link("http://x/a"),)).json == {
        "model": "m",
        "prompt": "p",
        "resolution": "1K",
        "aspect_ratio": "match_input_image",
        "image_urls": ["http://x/a"],
    }


@pytest.mark.parametrize(
    ("request_", "column"),
    [
        pytest.param(ImageRequest(prompt="p", aspect_ratio="7:5"), "aspect_ratio"),
        pytest.param(ImageRequest(prompt="p", resolution="8K"), "resolution"),
        pytest.param(
            ImageRequest(prompt="p", references=("http://x/a",) * 15), "references"
        ),
        pytest.param(
            ImageRequest(prompt="p", options={"output_format": "gif"}), "output_format"
        ),
    ],
)
def test_what_the_page_lacks_is_a_misfit(request_: ImageRequest, column: str) -> None:
    assert [name for name, _ in FOX.capabilities.unsupported(request_)] == [column]


def test_an_option_that_it_has_not_is_lacking_and_never_sent() -> None:
    request = ImageRequest(prompt="p", options={"top_k": 1, "web_search": True})

    call = FOX.encode(request, "m", ENDPOINT)

    assert FOX.capabilities.missing_options(request) == ("top_k",)
    assert call.json == {
        "model": "m",
        "prompt": "p",
        "resolution": "1K",
        "google_search": True,
    }


@pytest.mark.parametrize(
    ("reference", "carrier"),
    [
        pytest.param("https://x/a.png", "link", id="url"),
        pytest.param("a.png", "upload", id="file"),
        pytest.param("data:image/png;base64,AA", "upload", id="data-uri"),
    ],
)
def test_what_is_no_url_is_uploaded_first(reference: str, carrier: str) -> None:
    assert FOX.capabilities.references.carrier_of(reference) == carrier


def test_an_upload_says_its_name_and_that_it_may_be_deleted() -> None:
    image = Attachment("a.png", "image/png", b"bytes")

    call = FOX.encode_upload(image, ENDPOINT)

    assert call.method == "POST"
    assert call.url == "https://api.example/v1/files/upload/stream"
    assert call.headers == {"authorization": "Bearer k-123"}
    assert list(call.form or ()) == [
        ("file", image),
        ("file_name", "a.png"),
        ("auto_cleanup", "true"),
    ]
    assert FOX.upload_life_s == 72 * 3600


def test_an_upload_answers_with_its_link() -> None:
    link = FOX.decode_upload(sample("foxapi", "uploaded"))

    assert link == Link("https://files.foxapi.cc/u/1.png")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(sample("foxapi", "error_401"), errors.CredentialRejected),
        pytest.param(sample("foxapi", "error_402"), errors.OutOfCredit),
        pytest.param(sample("foxapi", "error_429"), errors.Throttled),
        pytest.param(sample("foxapi", "error_500"), errors.ProviderDown),
        pytest.param(reply({"size": 5}), errors.ReplyMalformed, id="no-url"),
        pytest.param(reply({"url": ["x"]}), errors.ReplyMalformed, id="url-list"),
        pytest.param(reply("<html>"), errors.ReplyMalformed, id="page"),
    ],
)
def test_an_upload_that_fails_bought_nothing(
    answer: Reply, kind: type[AttemptError]
) -> None:
    with pytest.raises(AttemptError) as caught:
        FOX.decode_upload(answer)

    assert (type(caught.value), caught.value.charge) == (kind, Charge.NONE)


def test_an_image_that_is_too_large_to_upload_is_said_to_be_so() -> None:
    with pytest.raises(errors.RequestInvalid, match="too large to be uploaded"):
        FOX.decode_upload(sample("foxapi", "error_413_page"))


def test_no_price_is_published_so_none_is_claimed() -> None:
    assert not FOX.prices


@pytest.mark.parametrize(
    ("name", "estimate_s"),
    [
        pytest.param("submitted", 45.0),
        pytest.param("submitted_task_id_only", None),
    ],
)
def test_a_submit_names_the_task(name: str, estimate_s: float | None) -> None:
    answer = FOX.decode(sample("foxapi", name))

    assert answer == Accepted(handle=TASK, estimate_s=estimate_s)


@pytest.mark.parametrize(
    "estimate",
    [
        pytest.param(-5, id="negative"),
        pytest.param(0, id="zero"),
        pytest.param(Decimal("NaN"), id="nan"),
        pytest.param(10**400, id="endless"),
        pytest.param("45", id="text"),
        pytest.param(True, id="boolean"),
    ],
)
def test_an_estimate_that_is_no_time_is_none(estimate: Json) -> None:
    body: Json = {"id": TASK, "task_info": {"estimated_time": estimate}}

    assert FOX.decode(reply(body)) == Accepted(handle=TASK)


def test_a_submit_that_is_at_its_end_already_is_taken_as_such() -> None:
    done = FOX.decode(sample("foxapi", "poll_completed_results"))
    empty = FOX.decode(sample("foxapi", "poll_completed_empty"))

    assert done == Delivered(images=(ONE,), request_id=TASK)
    assert empty == Accepted(handle=TASK)  # the poll will tell
    with pytest.raises(errors.GenerationFailed):
        FOX.decode(sample("foxapi", "poll_failed_generation"))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="empty-body"),
        pytest.param([], id="array"),
        pytest.param({"status": "pending"}, id="no-id"),
        pytest.param({"id": ""}, id="empty-id"),
        pytest.param({"id": 7}, id="number-id"),
        pytest.param({"id": "\ud800"}, id="surrogate-id"),
        pytest.param({"id": "a b"}, id="id-with-space"),
        pytest.param({"error": {"message": "no"}}, id="error"),
    ],
)
def test_a_submit_without_task_id_may_have_made_a_task(body: Json) -> None:
    error = submit_error(body, 200)

    assert (type(error), error.charge) == (errors.ReplyMalformed, Charge.UNKNOWN)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("error_400", errors.RequestInvalid),
        pytest.param("error_401", errors.CredentialRejected),
        pytest.param("error_402", errors.OutOfCredit),
        pytest.param("error_404_task", errors.ModelGone),
        pytest.param("error_413_page", errors.RequestInvalid),
        pytest.param("error_422_field", errors.RequestInvalid),
        pytest.param("error_422_model", errors.ModelGone),
        pytest.param("error_422_channel", errors.ProviderDown),
        pytest.param("error_429", errors.Throttled),
        pytest.param("error_500", errors.ProviderDown),
        pytest.param("error_503", errors.ProviderDown),
    ],
)
def test_a_submit_that_is_turned_down_made_no_task(
    name: str, kind: type[AttemptError]
) -> None:
    with pytest.raises(AttemptError) as caught:
        FOX.decode(sample("foxapi", name))

    assert (type(caught.value), caught.value.charge) == (kind, Charge.NONE)


def test_a_page_after_a_submit_leaves_the_outcome_unknown() -> None:
    with pytest.raises(errors.OutcomeUnknown) as caught:
        FOX.decode(sample("foxapi", "error_520_page"))

    assert caught.value.charge is Charge.UNKNOWN


def test_options_that_no_channel_has_are_named_not_dropped() -> None:
    advice = "leave out output_format, web_search or image_search"

    with pytest.raises(errors.RequestInvalid, match=advice):
        FOX.decode(sample("foxapi", "error_422_options"))


def test_the_type_of_an_error_goes_before_its_status() -> None:
    body: Json = {"error": {"type": "insufficient_quota", "message": "top up"}}

    assert type(submit_error(body, 429)) is errors.OutOfCredit


def test_a_throttle_keeps_the_wait_that_was_asked_for() -> None:
    with pytest.raises(errors.Throttled) as caught:
        FOX.decode(sample("foxapi", "error_429"))

    assert caught.value.retry_after_s == 5.0


def test_a_poll_asks_for_the_task_and_buys_nothing() -> None:
    call = FOX.encode_poll("task/../1", ENDPOINT)

    assert (call.method, call.json) == ("GET", None)
    assert call.url == "https://api.example/v1/tasks/task%2F..%2F1"
    assert call.headers["authorization"] == "Bearer k-123"


@pytest.mark.parametrize(
    ("name", "images"),
    [
        pytest.param("poll_completed_results", (ONE,)),
        pytest.param("poll_completed_strings", (ONE, TWO)),
        pytest.param("poll_completed_output", (ONE,)),
    ],
)
def test_a_completed_task_delivers_its_links_in_every_documented_shape(
    name: str, images: tuple[Link, ...]
) -> None:
    answer = FOX.decode_poll(sample("foxapi", name), ENDPOINT)

    assert answer == Delivered(images=images, request_id=TASK)


@pytest.mark.parametrize(
    "status", ["pending", "PROCESSING", "queued", "unknown", "some_new_state"]
)
def test_a_task_in_any_state_but_an_end_is_running(status: str) -> None:
    assert FOX.decode_poll(reply({"id": TASK, "status": status}), ENDPOINT) == Running()


@pytest.mark.parametrize("name", ["poll_pending", "poll_processing"])
def test_a_task_under_way_is_running(name: str) -> None:
    assert FOX.decode_poll(sample("foxapi", name), ENDPOINT) == Running()


def test_an_end_is_an_end_in_any_case_of_its_letters() -> None:
    done: Json = {"id": TASK, "status": "COMPLETED", "results": [ONE.url]}

    assert FOX.decode_poll(reply(done), ENDPOINT) == Delivered(
        images=(ONE,), request_id=TASK
    )
    failed = poll_error({"id": TASK, "status": "Failed"})
    assert type(failed) is errors.GenerationFailed


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"results": []}, id="empty"),
        pytest.param({"results": [{"url": None}, {}]}, id="items-without-url"),
        pytest.param({"output": {"url": None, "urls": None}}, id="output-null"),
    ],
)
def test_a_completed_task_without_a_result_is_worth_asking_once_more(
    body: dict[str, Json],
) -> None:
    error = poll_error({"id": TASK, "status": "completed", **body})

    assert (type(error), error.charge) == (errors.NoImage, Charge.UNKNOWN)
    assert error.request_id == TASK


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"status": "completed", "results": [5]}, id="number"),
        pytest.param({"status": "completed", "results": ["nowhere"]}, id="no-url"),
        pytest.param({"id": TASK}, id="no-status"),
        pytest.param({"id": TASK, "status": 3}, id="status-number"),
    ],
)
def test_a_task_that_cannot_be_read_may_have_been_charged(body: Json) -> None:
    error = poll_error(body)

    assert (type(error), error.charge) == (errors.ReplyMalformed, Charge.UNKNOWN)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("poll_failed_policy", errors.Refused),
        pytest.param("poll_failed_generation_safety", errors.Refused),
        pytest.param("poll_failed_image_url", errors.RequestInvalid),
        pytest.param("poll_failed_file_too_large", errors.RequestInvalid),
        pytest.param("poll_failed_format", errors.RequestInvalid),
        pytest.param("poll_failed_generation", errors.GenerationFailed),
        pytest.param("poll_failed_timeout", errors.GenerationFailed),
        pytest.param("poll_failed_upstream", errors.GenerationFailed),
        pytest.param("poll_failed_model_unavailable", errors.GenerationFailed),
        pytest.param("poll_cancelled", errors.GenerationFailed),
    ],
)
def test_a_failed_task_says_why_and_nobody_says_what_it_cost(
    name: str, kind: type[AttemptError]
) -> None:
    with pytest.raises(AttemptError) as caught:
        FOX.decode_poll(sample("foxapi", name), ENDPOINT)

    assert (type(caught.value), caught.value.charge) == (kind, Charge.UNKNOWN)
    assert caught.value.request_id == TASK


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("error_404_task", errors.TaskLost),
        pytest.param("error_401", errors.CredentialRejected),
        pytest.param("error_402", errors.OutOfCredit),
        pytest.param("error_429", errors.Throttled),
        pytest.param("error_500", errors.ProviderDown),
        pytest.param("error_520_page", errors.OutcomeUnknown),
        pytest.param("error_400", errors.Incomplete),
        pytest.param("error_413_page", errors.Incomplete),
    ],
)
def test_a_poll_that_fails_ends_the_task_only_where_it_is_lost(
    name: str, kind: type[AttemptError]
) -> None:
    with pytest.raises(AttemptError) as caught:
        FOX.decode_poll(sample("foxapi", name), ENDPOINT)

    assert type(caught.value) is kind


def test_a_page_in_place_of_a_task_breaks_the_poll_and_loses_nothing() -> None:
    success = poll_error("<html>maintenance</html>")
    missing = poll_error("<html>not found</html>", 404)

    assert type(success) is errors.Incomplete
    assert type(missing) is errors.Incomplete
