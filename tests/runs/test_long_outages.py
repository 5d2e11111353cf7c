"""An outage is waited out: it uses up no row's attempts, and loses no image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import pytest

from batchgen.limits import CircuitBreaker, Outage
from batchgen.model import Status
from batchgen.runner.handle import FROM_CODE
from tests.runs.desk import Desk, QuickFox, rows, statuses
from tests.runs.shop import (
    LOST,
    PICTURE,
    Answer,
    Request,
    Shop,
    as_json,
    in_turn,
    refused,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]

CREDITS = 178_975
AT_ONCE = 4
DOWN = refused(503, "try later")
PAGE_AS_IMAGE = Answer(200, b"<html>Wait</html>", {"content-type": "text/html"})
PAGE = Answer(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pauses be short, and keep their order."""
    monkeypatch.setattr(CircuitBreaker, "FIRST_S", 0.01)
    monkeypatch.setattr(CircuitBreaker, "LONGEST_S", 0.02)
    monkeypatch.setattr(CircuitBreaker, "RISK_S", 0.05)


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    shop.buy = shop.sells(CREDITS)
    return desk


def away(
    shop: Shop, since: int, until: int, *answers: Answer
) -> Callable[[Request], Answer]:
    """Answer purchases of a stretch with these in turn, and sell otherwise."""
    sell = shop.sells(CREDITS)

    def buy(request: Request) -> Answer:
        number = len(shop.buys)
        if since <= number <= until:
            return answers[number % len(answers)]
        return sell(request)

    return buy


# -- of purchases


async def test_rows_that_failed_before_anybody_knew_wait_again(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(20))
    shop.buy = away(shop, 4, 40, DOWN)

    outcome = await desk.run(max_attempts=1, terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 20}
    assert len(shop.buys) == 20 + 37
    assert sum("rows wait" in notice for notice in desk.notices) == 1
    assert sum("answers again" in notice for notice in desk.notices) == 1
    # In the table each purchase is told all the same.
    assert sum(row["attempts"] for row in desk.table()) == len(shop.buys)
    desk.check_money()


async def test_what_was_excused_is_still_excused_after_a_restart(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(8))
    shop.buy = away(shop, 1, 40, DOWN)
    sell = shop.buy

    def buy(request: Request) -> Answer:
        # The key is refused in mid-outage, so the run ends there.
        return refused(401, "bad key") if len(shop.buys) == 30 else sell(request)

    shop.buy = buy
    first = await desk.run(max_attempts=2, terms=desk.wide("aimlapi", AT_ONCE))
    assert statuses(first) == {Status.PENDING: 8}

    outcome = await desk.run(max_attempts=2, terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 8}


async def test_a_mixture_of_troubles_is_an_outage_too(desk: Desk, shop: Shop) -> None:
    desk.write(*rows(30))
    shop.buy = away(shop, 4, 25, DOWN, PAGE, DOWN, LOST)

    outcome = await desk.run(max_attempts=3, terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 30}
    assert sum("rows wait" in notice for notice in desk.notices) == 1
    desk.check_money()


async def test_probes_go_round_so_that_no_row_is_lost_twice(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(60))
    shop.buy = away(shop, 4, 40, LOST)

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 60}
    assert desk.totals().at_risk_attempts == 37
    lost = [row["at_risk_attempts"] for row in desk.table()]
    assert set(lost) == {0, 1}
    desk.check_money()


async def test_a_second_outage_is_told_like_the_first(desk: Desk, shop: Shop) -> None:
    desk.write(*rows(30))
    first, second = away(shop, 4, 14, DOWN), away(shop, 25, 40, DOWN)
    shop.buy = lambda request: (first if len(shop.buys) < 20 else second)(request)

    outcome = await desk.run(max_attempts=2, terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 30}
    assert sum("rows wait" in notice for notice in desk.notices) == 2
    assert sum("answers again" in notice for notice in desk.notices) == 2


async def test_one_failure_among_answers_is_no_outage(desk: Desk, shop: Shop) -> None:
    desk.write(*rows(20))
    sell = shop.sells(CREDITS)
    shop.buy = lambda request: DOWN if len(shop.buys) % 3 == 0 else sell(request)

    outcome = await desk.run(max_attempts=50, terms=desk.wide("aimlapi", 1))

    assert statuses(outcome) == {Status.SUCCEEDED: 20}
    assert desk.notices == []


async def test_rows_that_each_fail_at_first_are_no_long_outage(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(30))
    sell = shop.sells(CREDITS)
    shop.buy = lambda request: (
        sell(request) if shop.prompts.count(request.body["prompt"]) > 2 else DOWN
    )

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 30}
    # Many are answered before the last was tried at all: the breaker opens often.
    assert sum("rows wait" in notice for notice in desk.notices) > 1
    desk.check_money()


async def test_rows_that_can_never_succeed_do_not_hold_up_the_end_for_ever(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outage, "PATIENCE_S", 0.3)
    desk.write(*rows(3))
    shop.buy = lambda _: DOWN

    with anyio.fail_after(30):
        outcome = await desk.run(max_attempts=3, terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.FAILED: 3}
    assert len(shop.buys) > 3 * 3


async def test_two_rows_that_always_fail_do_not_wait_for_hours_at_the_end(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their provider answers questions, and made all the others."""
    monkeypatch.setattr(CircuitBreaker, "PATIENCE_PER_ROW_S", 0.05)
    desk.write(*rows(20))
    sell = shop.sells(CREDITS)
    bad = ("row 18", "row 19")
    shop.buy = lambda request: DOWN if request.body["prompt"] in bad else sell(request)
    shop.image = lambda request: (
        refused(404) if "/generations" in request.path else PICTURE
    )

    with anyio.fail_after(60):
        outcome = await desk.run(max_attempts=3, terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 18, Status.FAILED: 2}
    assert {row["error"] for row in desk.table()[18:]} == {"provider_down"}
    desk.check_money()


# -- of purchases, when few rows are left


@dataclass
class Door:
    """Answers a shop's GETs where purchases go: away at first, then with a refusal."""

    shop: Shop
    answer: Answer
    times: int
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        if "/generations" not in request.path:
            return PICTURE
        self.requests.append(request)
        return self.answer if len(self.requests) <= self.times else refused(405)


@pytest.mark.parametrize(
    "trouble", [DOWN, PAGE, LOST, refused(522)], ids=["5xx", "page", "lost", "522"]
)
async def test_the_last_row_waits_until_somebody_answers_what_buys_nothing(
    desk: Desk, shop: Shop, trouble: Answer
) -> None:
    desk.write("cup")
    shop.buy = away(shop, 1, 1, trouble)
    times = 4 if trouble is LOST else 12
    shop.image = door = Door(shop, trouble, times=times)

    outcome = await desk.run(max_attempts=2)

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.buys), len(door.requests)) == (2, times + 1)
    assert {request.path for request in door.requests} == {shop.buys[0].path}
    assert all("authorization" not in request.headers for request in door.requests)
    assert sum("rows wait" in notice for notice in desk.notices) == 1
    assert sum("answers again" in notice for notice in desk.notices) == 1
    desk.check_money()


@pytest.mark.parametrize("answer", [PICTURE, refused(404), refused(500)])
async def test_a_row_that_fails_while_questions_are_answered_comes_to_its_end(
    desk: Desk, shop: Shop, answer: Answer
) -> None:
    desk.write("cup")
    shop.buy = lambda _: DOWN
    shop.image = lambda _: answer

    outcome = await desk.run(max_attempts=3)

    assert statuses(outcome) == {Status.FAILED: 1}
    assert len(shop.buys) == 3
    assert desk.row()["error"] == "provider_down"


async def test_a_row_that_has_tries_left_asks_no_questions(
    desk: Desk, shop: Shop
) -> None:
    desk.write("cup")
    shop.buy = away(shop, 1, 3, DOWN)
    # It sells whatever the method: a question would be on the bill, too.
    shop.image = lambda request: (
        shop.buy(request) if "/generations" in request.path else PICTURE
    )

    with anyio.fail_after(30):
        outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 4
    desk.check_money()


async def test_when_one_row_is_answered_the_others_ask_no_more_questions(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outage, "PATIENCE_S", 0.3)
    desk.write(*rows(3))
    shop.buy = away(shop, 1, 3, LOST)
    shop.image = door = Door(shop, DOWN, times=1 << 30)
    asked_before: list[int] = []
    buy = shop.buy

    def count(request: Request) -> Answer:
        asked_before.append(len(door.requests))
        return buy(request)

    shop.buy = count
    with anyio.fail_after(30):
        outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 3}
    assert len(shop.buys) == 6
    assert asked_before[3] == len(door.requests)
    assert sum("rows wait" in notice for notice in desk.notices) == 1


async def test_a_wait_that_is_asked_for_where_nothing_is_bought_is_kept(
    desk: Desk, shop: Shop
) -> None:
    desk.write("cup")
    shop.buy = away(shop, 1, 1, LOST)
    slow = refused(429, "slow down", retry_after="0.5")
    shop.image = door = Door(shop, slow, times=1)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    first, second = door.requests
    assert second.at_s >= first.at_s + 0.5
    assert len(shop.buys) == 2


async def test_a_server_that_answers_purchases_alone_is_bought_from_soon(
    desk: Desk, shop: Shop
) -> None:
    desk.write("cup")
    shop.buy = away(shop, 1, 1, LOST)
    shop.image = door = Door(shop, LOST, times=1 << 30)

    with anyio.fail_after(30):
        outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 2
    assert {request.method for request in door.requests} == {"GET"}


async def test_a_server_that_answers_no_questions_can_be_bought_from_in_the_end(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outage, "PATIENCE_S", 0.3)
    desk.write("cup")
    shop.buy = away(shop, 1, 1, LOST)
    shop.image = Door(shop, DOWN, times=1 << 30)

    with anyio.fail_after(30):
        outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 2


# -- of polls


@pytest.mark.parametrize("trouble", [DOWN, PAGE, LOST], ids=["5xx", "page", "lost"])
async def test_silence_of_the_polls_does_not_count_against_a_deadline(
    desk: Desk, shop: Shop, trouble: Answer
) -> None:
    desk.provider, desk.fox = "foxapi", QuickFox(deadline_s=0.3)
    desk.write(*rows(4))
    shop.buy = shop.accept
    began = anyio.current_time()

    def poll(request: Request) -> Answer:
        return trouble if anyio.current_time() < began + 1.0 else shop.complete(request)

    shop.poll = poll

    outcome = await desk.run(terms=desk.wide("foxapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 4}
    assert len(shop.buys) == 4
    assert sum("how its tasks stand" in notice for notice in desk.notices) == 1


async def test_a_throttled_poll_lets_all_polls_and_purchases_wait(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "foxapi"
    desk.write(*rows(3))
    shop.buy = shop.accept
    slow = refused(429, "slow down", retry_after="0.5")
    throttled_at: list[float] = []

    def poll(request: Request) -> Answer:
        if not throttled_at:
            throttled_at.append(request.at_s)
            return slow
        is_over = request.at_s > throttled_at[0] + 0.4
        return (shop.complete if is_over else shop.running)(request)

    shop.poll = poll

    outcome = await desk.run(max_attempts=1, terms=desk.wide("foxapi", 2))

    assert statuses(outcome) == {Status.SUCCEEDED: 3}
    assert len(shop.buys) == 3
    (at,) = throttled_at
    # What was on its way already may still arrive.
    early = [poll for poll in shop.polls + shop.buys if at + 0.1 < poll.at_s < at + 0.5]
    assert early == []


async def test_a_wait_that_a_poll_is_asked_for_does_not_count_against_a_deadline(
    desk: Desk, shop: Shop
) -> None:
    desk.provider, desk.fox = "foxapi", QuickFox(deadline_s=0.3)
    shop.buy = shop.accept
    slow = refused(429, "slow down", retry_after="0.5")
    shop.poll = in_turn(slow, shop.complete)
    desk.write("cup")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    desk.check_money()


# -- of links


@pytest.mark.parametrize(
    "answer", [refused(404), PAGE_AS_IMAGE], ids=["missing", "page"]
)
async def test_an_image_that_is_there_a_little_later_is_not_lost(
    desk: Desk, shop: Shop, answer: Answer
) -> None:
    desk.write("cup")
    shop.image = in_turn(*[answer] * 5, PICTURE)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1


async def test_a_link_to_where_the_run_may_not_go_is_lost_and_ends_nothing_else(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(3))
    elsewhere = as_json({"data": [{"url": "https://cdn.example/1.png"}]})
    shop.buy = in_turn(elsewhere, shop.sells(CREDITS))

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 2, Status.FAILED: 1}
    assert desk.table()[0]["error"] == "link_lost"


@pytest.mark.parametrize("busy", ["image", "task"])
async def test_a_stop_does_not_wait_for_an_image_that_may_come_in_an_hour(
    desk: Desk, shop: Shop, busy: str
) -> None:
    def later(request: Request) -> Answer:
        desk.handle.stop()
        return refused(503, "later", retry_after="3600")

    desk.provider = "foxapi"
    shop.buy = shop.accept
    desk.write("cup")
    if busy == "image":
        shop.image = later
    else:
        shop.image, shop.poll = (lambda _: refused(404)), in_turn(shop.complete, later)

    with anyio.fail_after(20):
        outcome = await desk.run()

    assert outcome.stop_reason == FROM_CODE
    assert statuses(outcome) == {Status.PENDING: 1}
    shop.image, shop.poll = (lambda _: PICTURE), shop.complete
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1


async def test_images_wait_for_the_host_of_their_links(desk: Desk, shop: Shop) -> None:
    desk.write(*rows(8))
    shop.image = lambda _: DOWN if len(shop.downloads) <= 80 else PICTURE

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 8}
    assert len(shop.buys) == 8
    assert sum("do not download" in notice for notice in desk.notices) == 1
    desk.check_money()


async def test_one_link_that_never_works_does_not_hold_up_the_others(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(8))
    shop.image = lambda request: DOWN if request.name == "3.png" else PICTURE

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 7, Status.FAILED: 1}
    assert desk.table()[2]["error"] == "link_lost"
    shop.image = lambda _: PICTURE
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 8}
    assert len(shop.buys) == 8


async def test_a_link_that_expired_while_we_were_down_is_asked_for_anew(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "foxapi"
    shop.buy = shop.accept
    desk.write("cup")
    shop.poll, shop.image = shop.linked("old.png"), lambda _: DOWN
    assert statuses(await desk.run()) == {Status.FAILED: 1}
    polls = len(shop.polls)
    shop.poll = shop.linked("new.png")
    shop.image = lambda request: refused(403) if request.name == "old.png" else PICTURE

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.buys), len(shop.polls)) == (1, polls + 1)
    assert shop.downloads[-1].name == "new.png"
    desk.check_money()
