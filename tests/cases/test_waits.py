"""Kind p: a wait that is asked for, in whichever form, is heeded and is never years."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import error
from tests.cases.judge import row_of
from tests.cases.server import Answer, Request

HASTE = 4.0
"""What the service's clock shows between two purchases is so much less."""

NOW_S = 1_771_404_538
"""Wed, 18 Feb 2026 08:48:58 GMT: no clock of ours."""


def asks_to_wait(value: str, name: str = "Retry-After") -> Answer:
    headers = {"Date": formatdate(NOW_S, usegmt=True), name: value}
    answer = error(429, "Too Many Requests", type="rate_limit")
    return Answer(429, answer.body, headers)


WAITS: dict[str, tuple[Answer, float, float]] = {
    "p-retry-after-epoch": (replies.load("p-retry-after-epoch"), 1.9, 20),
    "p-retry-after-past-date": (replies.load("p-retry-after-past-date"), 0, 20),
    "date": (asks_to_wait(formatdate(NOW_S + 2, usegmt=True)), 1.9, 20),
    "epoch in ms": (asks_to_wait(f"{NOW_S + 2}000"), 1.9, 20),
    "epoch with a fraction": (asks_to_wait(f"{NOW_S + 2}.5"), 1.9, 20),
    "past epoch": (asks_to_wait(f"{NOW_S - 60}"), 0, 20),
    "seconds": (asks_to_wait("2"), 1.9, 20),
    "fraction": (asks_to_wait("1.5"), 1.4, 20),
    "with a unit": (asks_to_wait("2s"), 1.9, 20),
    "with a long unit": (asks_to_wait("2 seconds"), 1.9, 20),
    "ms": (asks_to_wait("2000ms"), 1.9, 20),
    "retry-after-ms": (asks_to_wait("1500", "retry-after-ms"), 1.4, 20),
    "below zero": (asks_to_wait("-5"), 0, 20),
    "no number": (asks_to_wait("soon"), 0, 20),
    "empty": (asks_to_wait(""), 0, 20),
    "not a number": (asks_to_wait("NaN"), 0, 20),
}


OF_THE_CASES = [name for name in WAITS if name.startswith("p-")]


@pytest.mark.parametrize("name", OF_THE_CASES)
def test_a_case_of_a_wait_is_as_long_as_was_asked(market: Market, name: str) -> None:
    assert_waits(market, "aimlapi", *WAITS[name])


def test_a_wait_in_any_form_is_as_long_as_was_asked(market: Market) -> None:
    customer, service = market.enter("aimlapi")
    answers = {row_of(name): wait[0] for name, wait in WAITS.items()}
    service.gate = lambda request: answers.pop(request.row, None)
    customer.write([row_of(name) for name in WAITS])
    outcome = customer.run("--concurrency", "1", within_s=200, haste=HASTE)
    outcome.ends(0, others="succeeded")
    assert outcome.at_risk == 0
    for name, (_, min_s, max_s) in WAITS.items():
        rows = [purchase.row for purchase in service.purchases]
        first = rows.index(row_of(name))
        begin, end = (service.purchases[first + step].at_s for step in (0, 1))
        waited_s = (end - begin) * HASTE
        assert min_s <= waited_s <= max_s, f"{name}: {waited_s}"


@pytest.mark.parametrize("provider", ["gemini", "openai", "foxapi", "nanobananaapi"])
def test_a_unix_time_is_read_everywhere(market: Market, provider: str) -> None:
    assert_waits(market, provider, replies.load("p-retry-after-epoch"), 1.9, 20)


def assert_waits(
    market: Market, provider: str, answer: Answer, min_s: float, max_s: float
) -> None:
    """The bound above is there for those who wait for years, not for slow machines."""
    customer, service = market.enter(provider)
    service.gate = first_time(answer)
    customer.write(["a", "b", "c"])
    outcome = customer.run("--concurrency", "1", within_s=30, haste=HASTE)
    outcome.ends(0, others="succeeded")
    first, second = service.purchases[:2]
    waited_s = (second.at_s - first.at_s) * HASTE
    assert min_s <= waited_s <= max_s, outcome.explain()
    assert outcome.at_risk == 0


ABSURD = ("99999999999999", "31536000", "Fri, 31 Dec 2199 23:59:59 GMT", "1e300")


@pytest.mark.parametrize("value", ABSURD)
def test_an_absurd_wait_is_told_in_the_words_of_the_provider(
    market: Market, value: str
) -> None:
    customer, service = market.enter("openai")
    service.gate = lambda _: asks_to_wait(value)
    customer.write(["a", "b", "c"])
    with customer.underway() as command:
        assert command.comes_to(lambda: "Too Many Requests" in command.terminal)
        command.interrupt()
    assert len(service.purchases) <= 3


def first_time(answer: Answer) -> Callable[[Request], Answer | None]:
    """Return a gate that gives an answer to the first purchase alone."""
    answers = [answer]
    return lambda _: answers.pop() if answers else None
