"""Kinds c and h: the end of a task is told by its error or its links, not its word."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import (
    WITH_TASKS,
    accepted,
    encoded,
    error,
    link_of,
    links,
    task,
)
from tests.cases.server import PRICE, Answer, draw

LINK = link_of("odd")
URI = f"data:image/png;base64,{encoded(draw('odd'))}"
MAX_POLLS = 4
"""Of one task that shows its end at once."""

GOOD_ENDS: dict[str, dict[str, object]] = {
    "finished": {"status": "finished", "results": [{"url": LINK}]},
    "done": {"status": "done", "output": {"url": LINK}},
    "SUCCESS": {"status": "SUCCESS", "result": {"images": [{"url": [LINK]}]}},
    "Succeeded": {"status": "Succeeded", "results": [LINK]},
    "ready": {"status": "ready", "progress": 100, "image_urls": [LINK]},
    "no word": {"results": [{"url": LINK}]},
    "error null": {"status": "finished", "error": None, "results": [LINK]},
    "empty error": {"status": "finished", "error": {}, "results": [LINK]},
    "image_urls": {"status": "completed", "result": {"image_urls": [LINK]}},
    "resultUrls": {"status": "completed", "response": {"resultUrls": [LINK]}},
    "output_urls": {"status": "completed", "output_urls": [LINK]},
    "image_url": {"status": "completed", "result": {"image_url": LINK}},
    "urls": {"status": "completed", "output": {"urls": [LINK]}},
    "text": {"status": "completed", "result": LINK},
    "data URI": {"status": "completed", "results": [{"url": URI}]},
    "base64": {"status": "completed", "results": [{"b64_json": URI}]},
    "nested": {"status": "completed", "data": {"results": [{"url": LINK}]}},
    "references echoed": {
        "status": "completed",
        "input": {"prompt": "x", "image_urls": [link_of("mine")]},
        "results": [{"url": LINK}],
    },
    "thumbnail beside it": {
        "status": "completed",
        "results": [{"url": LINK, "thumbnail_url": link_of("small")}],
    },
}


@pytest.mark.parametrize("fields", GOOD_ENDS.values(), ids=GOOD_ENDS)
@pytest.mark.parametrize("provider", WITH_TASKS)
def test_links_of_a_finished_task_are_fetched(
    market: Market, provider: str, fields: dict[str, object]
) -> None:
    assert_fetched(market, provider, task(provider, **fields), draw("odd"))


@pytest.mark.parametrize("name", ["c-task-result-image-urls", "h-task-finished"])
def test_a_case_of_a_finished_task_is_fetched(market: Market, name: str) -> None:
    assert_fetched(market, "gccai", replies.load(name), draw("cup"))


def assert_fetched(market: Market, provider: str, poll: Answer, image: bytes) -> None:
    customer, service = market.enter(provider)
    service.polls["odd"] = [poll]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert outcome.members["odd.png"] == image
    assert len(service.purchases) == 3, outcome.explain()


@dataclass(frozen=True, slots=True)
class BadEnd:
    """How a task is shown that failed, and words of it to be told."""

    fields: dict[str, object]
    words: str
    is_charged: bool = False


BAD_ENDS = {
    "timeout": BadEnd(
        {"status": "timeout", "error": {"message": "it took too long"}},
        "it took too long",
        is_charged=True,
    ),
    "expired": BadEnd(
        {"status": "expired", "error": {"code": "expired", "message": "too late"}},
        "too late",
        is_charged=True,
    ),
    "error": BadEnd({"status": "error", "error": "the model broke"}, "model broke"),
    "ERROR": BadEnd({"status": "ERROR", "message": "GPU was lost"}, "GPU was lost"),
    "aborted": BadEnd(
        {"status": "aborted", "error": {"message": "stopped upstream"}},
        "stopped upstream",
    ),
    "word of a running one": BadEnd(
        {"status": "processing", "error": {"message": "a worker died"}},
        "a worker died",
    ),
    "no word": BadEnd({"error": {"message": "a worker died"}}, "a worker died"),
}


@pytest.mark.parametrize("end", BAD_ENDS.values(), ids=BAD_ENDS)
@pytest.mark.parametrize("provider", WITH_TASKS)
def test_a_task_that_failed_ends_within_a_few_polls(
    market: Market, provider: str, end: BadEnd
) -> None:
    answer = task(provider, **end.fields)
    assert_failed(market, provider, answer, end.words, is_charged=end.is_charged)


def test_the_case_of_a_timeout_ends_within_a_few_polls(market: Market) -> None:
    answer = replies.load("h-task-timeout")
    words = "the upstream took too long"
    assert_failed(market, "gccai", answer, words, is_charged=True)


def assert_failed(
    market: Market, provider: str, poll: Answer, words: str, *, is_charged: bool
) -> None:
    """A timeout may be charged, so here it is; of other failures nobody knows."""
    customer, service = market.enter(provider)
    service.polls["odd"] = [poll]
    if not is_charged:
        service.rows["odd"] = [
            lambda request: _without_charge(
                accepted(provider, service.accept(request.row))
            )
        ]
    customer.write(["a", "odd", "z"])
    outcome = customer.run("--max-attempts", "2", within_s=50)
    assert outcome.code == 3, outcome.explain()
    assert outcome.rows["odd"]["status"] in {"failed", "held"}, outcome.explain()
    assert outcome.count("succeeded") == 2
    tasks = list(service.tasks.values()).count("odd")
    polls = [request for request in service.asked("/tasks/") if request.row == "odd"]
    assert 1 <= tasks <= 2
    assert len(polls) <= MAX_POLLS * tasks, outcome.explain()
    assert words in outcome.rows["odd"]["message"], outcome.explain()
    assert words in outcome.terminal, outcome.explain()


def _without_charge(answer: Answer) -> Answer:
    return Answer(answer.status, answer.body, answer.headers)


REFUSALS: dict[str, dict[str, object]] = {
    "code": {
        "status": "failed",
        "error": {"code": "content_policy_violation", "message": "not allowed"},
    },
    "camelCase": {
        "status": "failed",
        "error": {"code": "OutputImageSensitiveContentDetected", "message": "hidden"},
    },
    "rejected": {
        "status": "rejected",
        "error": {"code": "sensitive_words_detected", "message": "sorry"},
    },
    "Chinese": {"status": "failed", "error": {"message": "内容审核未通过"}},
    "text": {"status": "failed", "error": "IMAGE_SAFETY"},
    "an item": {
        "status": "completed",
        "results": [
            {"error": {"code": "content_policy_violation", "message": "not allowed"}}
        ],
        "result": {
            "images": [{"error": {"code": "content_policy_violation", "message": "no"}}]
        },
    },
}


@pytest.mark.parametrize("fields", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("provider", WITH_TASKS)
def test_a_task_that_was_refused_is_bought_once(
    market: Market, provider: str, fields: dict[str, object]
) -> None:
    customer, service = market.enter(provider)
    service.polls["odd"] = [task(provider, **fields)]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=40)
    outcome.ends(3, odd="refused", others="succeeded")
    assert service.purchases_of("odd") == 1, outcome.explain()


PASSING = {
    "503 within a 200": Answer(200, {"error": {"code": 503, "message": "busy"}}),
    "429 as text within a 200": Answer(
        200, {"error": {"code": "429", "message": "slow down"}}
    ),
    "409": error(409, "not now"),
    "425": error(425, "too early"),
    "499": error(499, "client closed request"),
    "408": error(408, "timeout"),
    "500": error(500, "litellm.APIConnectionError"),
    "web page": Answer(
        502, "<html><h1>502 Bad Gateway</h1></html>", {"Content-Type": "text/html"}
    ),
}


@pytest.mark.parametrize("passing", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("provider", WITH_TASKS)
def test_a_poll_that_fails_for_a_moment_buys_nothing_again(
    market: Market, provider: str, passing: Answer
) -> None:
    customer, service = market.enter(provider)
    good = links(provider, LINK)
    service.polls["odd"] = [passing, Answer(200, good.body)]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=40)
    outcome.ends(0, others="succeeded")
    assert len(service.purchases) == 3, outcome.explain()


def test_several_tasks_of_one_purchase_are_all_fetched(market: Market) -> None:
    customer, service = market.enter("gccai")

    def accept_two(_: object) -> Answer:
        first, second = service.accept("left"), service.accept("right")
        answer = accepted("gccai", first, second)
        return Answer(200, answer.body, charge=2 * PRICE)

    service.rows["odd"] = [accept_two]
    customer.write(["odd"], n="2")
    outcome = customer.run(within_s=40)
    outcome.ends(0, odd="succeeded")
    assert sorted(outcome.members.values()) == sorted([draw("left"), draw("right")])
    assert len(service.purchases) == 1, outcome.explain()


def test_one_of_several_tasks_that_fails_loses_no_other(market: Market) -> None:
    customer, service = market.enter("gccai")

    def accept_two(_: object) -> Answer:
        first, second = service.accept("left"), service.accept("right")
        answer = accepted("gccai", first, second)
        return Answer(200, answer.body, charge=2 * PRICE)

    service.rows["odd"] = [accept_two]
    service.polls["left"] = [
        task("gccai", status="failed", error={"message": "the GPU was lost"})
    ]
    customer.write(["odd"], n="2")
    outcome = customer.run("--max-attempts", "1", within_s=40)
    assert outcome.code == 3, outcome.explain()
    images = [*outcome.members.values(), *outcome.kept.values()]
    assert draw("right") in images, outcome.explain()
    assert len(service.purchases) == 1, outcome.explain()
