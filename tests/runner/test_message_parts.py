"""Only what a provider said is quoted as its words; what batchgen says is not."""

from __future__ import annotations

import httpx
import pytest

from batchgen.attempts.kept_replies import add_file_name
from batchgen.errors import (
    AttemptError,
    BatchgenError,
    Charge,
    ImageRejected,
    Internal,
    LinkLost,
    OutcomeUnknown,
    Refused,
    TaskOverdue,
)
from batchgen.model import Delivered, Json, Reply
from batchgen.providers import PROVIDERS
from batchgen.providers._reply_errors import error_by_text, error_without_image
from batchgen.providers._tasks import poll_error
from batchgen.runner.message_parts import OWN_KINDS, split_message
from batchgen.tracebacks import fault_message
from batchgen.wire.exchange_errors import download_error
from batchgen.wire.exchange_errors import purchase_error as wire_error


def quoted(error: BatchgenError | None) -> str:
    assert isinstance(error, AttemptError)
    return split_message(error.kind, error.message).quote


def reply(status: int, body: Json) -> Reply:
    return Reply(status, {}, body)


def wire(error: Exception) -> AttemptError:
    wrapped = wire_error("acme", "api.acme.example", error)
    assert isinstance(wrapped, AttemptError)
    return wrapped


OWN = {
    "a-reply-that-was-lost": wire(httpx.ReadTimeout("")),
    "nobody-there": wire(httpx.ConnectError("refused")),
    "a-link-to-nowhere": download_error("acme", "cdn", httpx.InvalidURL("no host")),
    "a-fault": Internal("acme", fault_message(KeyError("rows")), Charge.NONE),
    "a-task-that-never-ends": TaskOverdue("acme", "task 17 runs for 1 h"),
    "a-link-that-is-gone": LinkLost("acme", "download from cdn: status 404"),
    "bytes-of-something-else": ImageRejected("acme", "delivered no image"),
    "a-reply-that-says-nothing": error_without_image(
        "acme", reply(200, {"created": 1}), Delivered(images=()), is_documented=True
    ),
}


@pytest.mark.parametrize("case", OWN)
def test_what_batchgen_says_is_never_quoted(case: str) -> None:
    error = OWN[case]

    add_file_name(error, "kept/7-reply.json")

    assert quoted(error) == ""
    assert not split_message(error.kind, error.message).quote


ERROR: Json = {"error": {"message": "Your prompt is not welcome here."}}
QUOTED = {
    "a-purchase": error_by_text("acme", reply(400, ERROR), "Bad \N{SNOWMAN} size."),
    "a-timeout-of-a-gateway": error_by_text(
        "acme", reply(504, {"m": 1}), "upstream timed out"
    ),
    "a-model": error_by_text("acme", reply(404, {"m": 1}), "m-1 does not exist"),
    "a-success-without-an-image": error_without_image(
        "acme",
        reply(200, {"message": "I cannot draw that"}),
        Delivered(images=()),
        is_documented=True,
    ),
}
WORDS = {
    "a-purchase": "Bad \N{SNOWMAN} size.",
    "a-timeout-of-a-gateway": "upstream timed out",
    "a-model": "m-1 does not exist",
    "a-success-without-an-image": "I cannot draw that",
}


@pytest.mark.parametrize("case", QUOTED)
def test_the_providers_words_are_quoted_without_ours(case: str) -> None:
    error = QUOTED[case]
    whole = error.message

    add_file_name(error, "kept/7-reply.json")

    assert quoted(error) == WORDS[case]
    assert whole.endswith(WORDS[case])


def test_what_is_split_is_the_whole_message() -> None:
    message = "no such model, or wrong base URL: gone; kept as kept/7-reply.json"

    parts = split_message("model_gone", message)

    assert "".join(parts) == message
    assert parts == (
        "no such model, or wrong base URL: ",
        "gone",
        "; kept as kept/7-reply.json",
    )


def test_a_poll_quotes_what_the_provider_answered() -> None:
    assert quoted(poll_error("acme", reply(403, ERROR))) == (
        "Your prompt is not welcome here."
    )


def test_geminis_answer_without_an_image_quotes_the_text_of_the_answer() -> None:
    parts: Json = [{"text": "Which colour?"}]
    body: Json = {"candidates": [{"content": {"parts": parts}}]}

    with pytest.raises(AttemptError) as caught:
        PROVIDERS["gemini"].decode(reply(200, body))

    assert quoted(caught.value) == "Which colour?"


@pytest.mark.parametrize("kind", sorted(OWN_KINDS))
def test_a_row_that_nobody_was_asked_for_quotes_nobody(kind: str) -> None:
    assert not split_message(kind, "row 3, line 5, id: is repeated").quote


def test_no_message_is_no_quote() -> None:
    assert not split_message("refused", None).quote
    assert not split_message(None, "something").quote
    assert split_message(Refused("a", "b").kind, "no").quote
    assert not split_message(
        OutcomeUnknown("a", "").kind, "no usable reply from api.acme.example: (Broken)"
    ).quote


def test_the_name_of_a_finish_reason_is_the_providers_what_introduces_it_is_not() -> (
    None
):
    parts = split_message(Refused("", "").kind, "finish reason: SAFETY")

    assert parts == ("finish reason: ", "SAFETY", "")
