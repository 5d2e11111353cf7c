"""Kinds c and h: the end of a task is told by its error or its links, not its word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

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
from tests.cases.judge import Outcome, among_others, row_of
from tests.cases.server import PRICE, Answer, Request, Service, draw

LINK = link_of("odd")
URI = f"data:image/png;base64,{encoded(draw('odd'))}"
FREE = Decimal(0)
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


@pytest.mark.parametrize("provider", WITH_TASKS)
def test_links_of_a_finished_task_are_fetched(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    for name, fields in GOOD_ENDS.items():
        service.polls[row_of(name)] = [task(provider, **fields)]
    customer.write(among_others(GOOD_ENDS))
    outcome = customer.run(within_s=60)
    outcome.ends(0, others="succeeded")
    assert len(service.purchases) == len(outcome.rows), outcome.explain()
    for name in GOOD_ENDS:
        assert outcome.members[f"{row_of(name)}.png"] == draw("odd"), name


@pytest.mark.parametrize("name", ["c-task-result-image-urls", "h-task-finished"])
def test_a_case_of_a_finished_task_is_fetched(market: Market, name: str) -> None:
    customer, service = market.enter("gccai")
    service.polls["odd"] = [replies.load(name)]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert outcome.members["odd.png"] == draw("cup")
    assert len(service.purchases) == 3, outcome.explain()


@dataclass(frozen=True, slots=True)
class BadEnd:
    """How a task is shown that failed, and words of it to be told."""

    fields: dict[str, object]
    message: str
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
    "in capitals": BadEnd(
        {"status": "ERROR", "message": "GPU was lost"}, "GPU was lost"
    ),
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


@pytest.mark.parametrize("provider", WITH_TASKS)
def test_a_task_that_failed_ends_within_a_few_polls(
    market: Market, provider: str
) -> None:
    """A timeout may be charged, so here it is; of other failures nobody knows."""
    customer, service = market.enter(provider)

    def accept_free(request: Request) -> Answer:
        return replace(accepted(provider, service.accept(request.row)), charge=FREE)

    for name, end in BAD_ENDS.items():
        service.polls[row_of(name)] = [task(provider, **end.fields)]
        if not end.is_charged:
            service.rows[row_of(name)] = [accept_free]
    customer.write(among_others(BAD_ENDS))
    outcome = customer.run("--max-attempts", "2", within_s=100)
    assert outcome.code == 3, outcome.explain()
    assert outcome.count("succeeded") == len(BAD_ENDS) + 1, outcome.explain()
    for name, end in BAD_ENDS.items():
        assert_bad_end(outcome, service, row_of(name), end.message)
    # The last lines name the commonest causes alone.
    assert any(end.message in outcome.terminal for end in BAD_ENDS.values())


def test_the_case_of_a_timeout_ends_within_a_few_polls(market: Market) -> None:
    customer, service = market.enter("gccai")
    service.polls["odd"] = [replies.load("h-task-timeout")]
    customer.write(["a", "odd", "z"])
    outcome = customer.run("--max-attempts", "2", within_s=60)
    assert outcome.code == 3, outcome.explain()
    assert outcome.count("succeeded") == 2, outcome.explain()
    message = "the upstream took too long"
    assert_bad_end(outcome, service, "odd", message)
    assert message in outcome.terminal, outcome.explain()


def assert_bad_end(outcome: Outcome, service: Service, row: str, message: str) -> None:
    tasks = [*service.tasks.values()].count(row)
    polls = [request for request in service.asked("") if request.row == row]
    assert outcome.rows[row]["status"] in {"failed", "held"}, outcome.explain()
    assert 1 <= tasks <= 2, row
    assert len(polls) <= MAX_POLLS * tasks, row
    assert message in outcome.rows[row]["message"], outcome.explain()


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


@pytest.mark.parametrize("provider", WITH_TASKS)
def test_a_task_that_was_refused_is_bought_once(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    for name, fields in REFUSALS.items():
        service.polls[row_of(name)] = [task(provider, **fields)]
    customer.write(among_others(REFUSALS))
    outcome = customer.run(within_s=60)
    refused = dict.fromkeys(map(row_of, REFUSALS), "refused")
    outcome.ends(3, **refused, others="succeeded")
    assert len(service.purchases) == len(outcome.rows), outcome.explain()


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


@pytest.mark.parametrize("provider", WITH_TASKS)
def test_a_poll_that_fails_for_a_moment_buys_nothing_again(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    good = Answer(200, links(provider, LINK).body)
    for name, passing in PASSING.items():
        service.polls[row_of(name)] = [passing, good]
    customer.write(among_others(PASSING))
    outcome = customer.run(within_s=100)
    outcome.ends(0, others="succeeded")
    assert len(service.purchases) == len(outcome.rows), outcome.explain()


def accept_two(service: Service) -> Answer:
    """Accept one purchase as two tasks."""
    first, second = service.accept("left"), service.accept("right")
    answer = accepted("gccai", first, second)
    return Answer(200, answer.body, charge=2 * PRICE)


def test_several_tasks_of_one_purchase_are_all_fetched(market: Market) -> None:
    customer, service = market.enter("gccai")

    service.rows["odd"] = [lambda _: accept_two(service)]
    customer.write(["odd"], n="2")
    outcome = customer.run(within_s=40)
    outcome.ends(0, odd="succeeded")
    assert sorted(outcome.members.values()) == sorted([draw("left"), draw("right")])
    assert len(service.purchases) == 1, outcome.explain()


def test_one_of_several_tasks_that_fails_loses_no_other(market: Market) -> None:
    customer, service = market.enter("gccai")

    service.rows["odd"] = [
        lambda _: accept_two(service),
        lambda request: service.dialect(service, request),
    ]
    service.polls["left"] = [
        task("gccai", status="failed", error={"message": "the GPU was lost"})
    ]
    customer.write(["odd"], n="2")
    outcome = customer.run(within_s=40)
    assert outcome.code in {0, 3}, outcome.explain()
    images = [*outcome.members.values(), *outcome.kept.values()]
    assert draw("right") in images, outcome.explain()
    assert len(service.purchases) <= 2, outcome.explain()
