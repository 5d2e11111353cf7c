"""Tasks that take too long, vanish, or belong to somebody else; and their links."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from batchgen.attempts.polling import MAX_CALLS
from batchgen.errors import Charge, CredentialRejected
from batchgen.model import Next, Reply, State, Status
from batchgen.providers.base import Endpoint
from tests.runs.desk import AGREED, Desk, QuickFox, statuses
from tests.runs.shop import (
    LOST,
    PICTURE,
    PNG,
    Answer,
    Shop,
    as_json,
    draw_png,
    in_turn,
    refused,
)

pytestmark = pytest.mark.anyio

NANO = 50_000_000
LESS = Decimal("0.04")
GONE = refused(404, "no such image")


async def leave_a_task(desk: Desk) -> None:
    """Let a run end with a task that is accepted and was not fetched."""
    before, desk.shop.poll = desk.shop.poll, lambda _: refused(401, "bad key")
    outcome = await desk.run(limit=1)
    assert [type(error) for error in outcome.stopped] == [CredentialRejected]
    desk.shop.poll = before
    desk.shop.requests.clear()


async def test_a_task_is_polled_until_it_is_done_and_its_image_is_stored(
    desk: Desk, shop: Shop
) -> None:
    shop.poll = in_turn(shop.running, shop.running, shop.complete)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.buys), len(shop.polls), len(shop.downloads)) == (1, 3, 1)
    row = desk.row()
    assert (row["cost_usd"], row["cost_basis"]) == (AGREED, "price_list")
    assert row["request_id"] == "task-1"
    assert row["files"][0]["size_bytes"] == len(PNG)
    desk.check_money()


async def test_a_poll_that_always_leads_on_is_cut_short_and_asked_again(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = QuickFox.decode_poll
    following = [None] * (MAX_CALLS + 1)

    def decode_poll(self: QuickFox, reply: Reply, endpoint: Endpoint) -> Any:
        if following:
            following.pop()
            return Next(self.encode_poll("task-1", endpoint))
        return whole(self, reply, endpoint)

    monkeypatch.setattr(QuickFox, "decode_poll", decode_poll)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.buys), len(shop.polls)) == (1, MAX_CALLS + 2)
    desk.check_money()


async def test_the_key_goes_to_the_provider_and_not_to_its_image_host(
    desk: Desk, shop: Shop
) -> None:
    await desk.run()

    keys = [buy.headers.get("authorization") for buy in (*shop.buys, *shop.polls)]
    assert keys == ["Bearer key-of-foxapi"] * 2
    assert all("authorization" not in download.headers for download in shop.downloads)


async def test_a_throttled_poll_holds_up_purchases_as_well(
    desk: Desk, shop: Shop
) -> None:
    desk.write("a", "b", "c")
    slow = refused(429, "slow down", retry_after="0.6")
    shop.poll = in_turn(slow, shop.complete)

    outcome = await desk.run(terms=desk.wide("foxapi", concurrency=2))

    assert statuses(outcome) == {Status.SUCCEEDED: 3}
    assert shop.buys[2].at_s >= shop.polls[0].at_s + 0.6


# -- past the deadline


async def test_a_task_past_its_deadline_is_held_and_fetched_by_a_later_run(
    desk: Desk, shop: Shop
) -> None:
    desk.fox = QuickFox(deadline_s=0.0)
    shop.poll = shop.running

    outcome = await desk.run()

    assert statuses(outcome) == {Status.HELD: 1}
    row = desk.row()
    assert (row["error"], row["at_risk_usd"], row["at_risk_attempts"]) == (
        "task_overdue",
        AGREED,
        1,
    )
    desk.check_money()

    shop.poll = shop.complete
    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    row = desk.row()
    assert (row["cost_usd"], row["at_risk_usd"], row["error"]) == (AGREED, 0, None)
    desk.check_money()


async def test_an_overdue_task_is_asked_once_by_each_later_run(
    desk: Desk, shop: Shop
) -> None:
    desk.fox = QuickFox(deadline_s=0.0)
    shop.poll = shop.running
    await desk.run()
    desk.fox = QuickFox()

    for _ in range(2):
        shop.requests.clear()
        outcome = await desk.run()
        assert statuses(outcome) == {Status.HELD: 1}
        assert (len(shop.buys), len(shop.polls)) == (0, 1)

    assert [attempt.state for attempt in desk.attempts()] == [State.OVERDUE]
    desk.check_money()


@pytest.mark.parametrize(
    ("billed", "cost", "basis"),
    [
        pytest.param(LESS, LESS, "billed", id="the-bill-had-it"),
        pytest.param(Decimal(0), AGREED, "price_list", id="the-bill-lacked-it-yet"),
    ],
)
async def test_an_overdue_task_that_a_bill_settled_is_fetched_and_not_paid_again(
    billed: Decimal, cost: Decimal, basis: str, desk: Desk, shop: Shop
) -> None:
    desk.write("a")
    desk.fox = QuickFox(deadline_s=0.0)
    shop.poll = shop.running
    await desk.run()
    desk.settle(1, billed)
    desk.fox = QuickFox()
    await desk.run()
    assert desk.row()["cost_usd"] == billed
    shop.poll = shop.complete
    desk.write("a", "b")

    outcome = await desk.run(max_cost=cost + AGREED)

    assert statuses(outcome) == {Status.SUCCEEDED: 2}
    assert outcome.error is None
    first, _ = desk.table()
    assert (first["cost_usd"], first["cost_basis"]) == (cost, basis)
    assert first["at_risk_usd"] == 0


async def test_an_overdue_task_is_asked_for_before_retry_buys_again(
    desk: Desk, shop: Shop
) -> None:
    desk.fox = QuickFox(deadline_s=0.0)
    shop.poll = shop.running
    await desk.run()
    desk.fox = QuickFox()
    shop.poll = shop.complete
    assert desk.retry("held") == 1

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    desk.check_money()


async def test_an_overdue_task_that_failed_after_all_is_bought_again(
    desk: Desk, shop: Shop
) -> None:
    desk.fox = QuickFox(deadline_s=0.0)
    shop.poll = shop.running
    await desk.run()
    desk.fox = QuickFox()
    shop.poll = in_turn(as_json({"status": "failed"}), shop.complete)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert [attempt.state for attempt in desk.attempts()] == [
        State.FAILED,
        State.STORED,
    ]
    assert desk.totals().at_risk == NANO
    desk.check_money()


# -- vanished


async def test_a_task_that_the_key_does_not_know_is_held_and_found_with_the_right_one(
    desk: Desk, shop: Shop
) -> None:
    shop.poll = lambda _: refused(404, "no such task")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.HELD: 1}
    row = desk.row()
    assert (row["error"], row["at_risk_usd"]) == ("task_lost", AGREED)
    assert (row["cost_usd"], row["cost_basis"]) == (None, "unknown")
    assert len(shop.polls) == 3
    desk.check_money()
    assert statuses(await desk.run()) == {Status.HELD: 1}
    assert len(shop.polls) == 4
    shop.poll = shop.complete

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}

    assert len(shop.buys) == 1
    assert desk.row()["at_risk_attempts"] == 0
    desk.check_money()


async def test_a_task_that_is_missing_for_a_moment_is_not_lost(
    desk: Desk, shop: Shop
) -> None:
    missing = refused(404, "no such task")
    shop.poll = in_turn(missing, missing, shop.running, missing, shop.complete)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1


async def test_a_broken_poll_ends_nothing(desk: Desk, shop: Shop) -> None:
    page = Answer(502, b"<html>bad gateway</html>", {"content-type": "text/html"})
    shop.poll = in_turn(page, Answer(0), shop.complete)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1


async def test_a_refused_key_at_a_poll_leaves_the_task_to_a_later_run(
    desk: Desk, shop: Shop
) -> None:
    shop.poll = lambda _: refused(401, "bad key")
    outcome = await desk.run()

    assert [type(error) for error in outcome.stopped] == [CredentialRejected]
    assert [attempt.state for attempt in desk.attempts()] == [State.ACCEPTED]
    row = desk.row()
    assert (row["status"], row["at_risk_usd"]) == ("pending", AGREED)
    desk.check_money()

    shop.poll = shop.complete
    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    desk.check_money()


# -- links


async def test_a_link_that_expired_is_asked_for_anew_and_nothing_is_bought(
    desk: Desk, shop: Shop
) -> None:
    shop.poll = in_turn(shop.linked("old.png"), shop.linked("new.png"))
    shop.image = lambda request: GONE if request.name == "old.png" else PICTURE

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.buys), len(shop.polls)) == (1, 2)
    assert shop.downloads[-1].name == "new.png"
    desk.check_money()


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
async def test_a_link_that_is_gone_keeps_its_cost_and_only_retry_buys_again(
    desk: Desk, shop: Shop, provider: str
) -> None:
    desk.provider = provider
    if provider == "aimlapi":
        shop.buy = shop.sells(100_000)
    first = ("1.png", "task-1.png")
    shop.image = lambda request: GONE if request.name in first else PICTURE

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    row = desk.row()
    assert (row["error"], row["cost_usd"]) == ("link_lost", Decimal("0.05"))
    assert row["at_risk_attempts"] == 0
    assert statuses(await desk.run()) == {Status.FAILED: 1}
    assert len(shop.buys) == 1

    assert desk.retry("failed") == 1
    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 2
    assert desk.row()["cost_usd"] == 2 * Decimal("0.05")
    desk.check_money()


async def test_trouble_while_asking_for_a_fresh_link_does_not_lose_the_image(
    desk: Desk, shop: Shop
) -> None:
    down = refused(503, "try later")
    shop.poll = in_turn(shop.linked("old.png"), down, shop.running, shop.complete)
    shop.image = lambda request: GONE if request.name == "old.png" else PICTURE

    await desk.run()
    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    desk.check_money()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(refused(404, "no such task"), id="lost"),
        pytest.param(as_json({"status": "failed"}), id="failed"),
        pytest.param(
            as_json({"status": "failed", "error": {"message": "content policy"}}),
            id="refused-afterwards",
        ),
        pytest.param(as_json({"status": "completed", "results": []}), id="emptied"),
    ],
)
async def test_a_task_that_has_no_fresh_link_has_lost_it_and_is_not_bought_again(
    desk: Desk, shop: Shop, answer: Answer
) -> None:
    shop.poll = in_turn(shop.linked("old.png"), answer)
    shop.image = lambda _: GONE

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert len(shop.buys) == 1
    row = desk.row()
    assert (row["error"], row["cost_usd"], row["at_risk_attempts"]) == (
        "link_lost",
        AGREED,
        0,
    )
    desk.check_money()


async def test_a_refused_key_at_a_fresh_link_leaves_the_image_to_a_later_run(
    desk: Desk, shop: Shop
) -> None:
    shop.poll = in_turn(shop.linked("old.png"), refused(401, "bad key"))
    shop.image = lambda request: GONE if request.name == "old.png" else PICTURE
    await desk.run()

    assert [attempt.state for attempt in desk.attempts()] == [State.DELIVERED]
    assert desk.row()["status"] == "pending"
    shop.poll = shop.complete

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    desk.check_money()


async def test_bytes_that_are_no_image_fail_the_row_with_its_cost(
    desk: Desk, shop: Shop
) -> None:
    shop.image = lambda _: Answer(200, b"<html>soon</html>")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    row = desk.row()
    assert (row["error"], row["cost_usd"]) == ("image_rejected", AGREED)
    assert len(shop.buys) == 1
    desk.check_money()


async def test_an_image_of_another_size_than_the_one_paid_for_is_told(
    desk: Desk, shop: Shop
) -> None:
    shop.image = lambda _: Answer(200, draw_png((512, 512)))

    await desk.run(aspect_ratio="1:1", resolution="1K")

    assert desk.row()["warning"] == "image 1 is 512x512 px, paid for 1024x1024"


# -- rows and providers that changed meanwhile


async def test_a_row_edited_while_its_task_ran_settles_the_old_cost_as_retired(
    desk: Desk, shop: Shop
) -> None:
    desk.write("a cup", ids=["a"])
    await leave_a_task(desk)
    desk.write("a red cup", ids=["a"])

    outcome = await desk.run(rebuy=True)

    assert shop.prompts == ["a red cup"]
    assert [poll.name for poll in shop.polls].count("task-1") == 1
    totals = desk.totals()
    assert (totals.spent, totals.superseded, totals.at_risk) == (NANO, NANO, 0)
    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    row = desk.row()
    assert (row["prompt"], row["cost_usd"], len(row["files"])) == (
        "a red cup",
        AGREED,
        1,
    )
    desk.check_money()


async def test_the_task_of_a_dropped_row_is_asked_once_and_left_when_it_runs(
    desk: Desk, shop: Shop
) -> None:
    desk.write("a cup", "a lamp", ids=["a", "b"])
    await leave_a_task(desk)
    desk.write("a lamp", ids=["b"])
    shop.poll = lambda request: (
        shop.running(request) if request.name == "task-1" else shop.complete(request)
    )

    outcome = await desk.run()

    assert shop.prompts == ["a lamp"]
    assert [poll.name for poll in shop.polls].count("task-1") == 1
    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert [attempt.state for attempt in desk.attempts()] == [
        State.ACCEPTED,
        State.STORED,
    ]
    assert desk.totals().at_risk == NANO
    desk.check_money()


async def test_a_task_of_a_provider_without_key_is_named_and_not_bought_elsewhere(
    desk: Desk, shop: Shop
) -> None:
    await leave_a_task(desk)
    desk.provider, desk.keys = "aimlapi", ["aimlapi"]
    shop.buy = shop.sells(100_000)

    outcome = await desk.run()

    assert outcome.missing_keys == {"FOXAPI_API_KEY"}
    assert statuses(outcome) == {Status.PENDING: 1}
    assert shop.requests == []
    desk.check_money()

    desk.keys = ["aimlapi", "foxapi"]
    outcome = await desk.run()

    assert outcome.missing_keys == set()
    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert shop.buys == []
    assert desk.row()["provider"] == "foxapi"
    desk.check_money()


async def test_a_task_is_asked_for_where_it_was_bought(desk: Desk, shop: Shop) -> None:
    await leave_a_task(desk)
    elsewhere = desk.wide("foxapi", 1)
    elsewhere["foxapi"] = type(elsewhere["foxapi"])(base_url=f"{shop.url}/mirror")

    outcome = await desk.run(terms=elsewhere)

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert [poll.path for poll in shop.polls] == ["/foxapi/v1/tasks/task-1"]
    assert shop.buys == []


async def test_a_task_that_ends_after_its_row_was_bought_again_is_superseded(
    desk: Desk, shop: Shop
) -> None:
    desk.fox = QuickFox(deadline_s=0.0)
    shop.poll = shop.running
    await desk.run()
    desk.fox = QuickFox()
    shop.poll = lambda request: (
        shop.running(request) if request.name == "task-1" else shop.complete(request)
    )
    assert desk.retry("held") == 1
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    desk.check_money()
    shop.requests.clear()
    shop.poll = shop.complete

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (shop.buys, shop.downloads) == ([], [])
    first, second = desk.attempts()
    assert (first.state, first.error, first.charge, first.cost) == (
        State.FAILED,
        "superseded",
        Charge.PRICE_LIST,
        NANO,
    )
    assert second.state is State.STORED
    row = desk.row()
    assert (row["cost_usd"], row["at_risk_usd"], row["attempts"]) == (2 * AGREED, 0, 2)
    desk.check_money()


@pytest.mark.parametrize(
    ("failed_tasks", "risks"),
    [pytest.param("unknown", 1, id="unknown"), pytest.param("free", 0, id="free")],
)
async def test_a_failed_task_is_at_risk_unless_the_job_says_that_it_is_free(
    desk: Desk, shop: Shop, failed_tasks: str, risks: int
) -> None:
    shop.poll = in_turn(as_json({"status": "failed"}), shop.complete)
    terms = desk.wide("foxapi", concurrency=1, failed_tasks=failed_tasks)

    outcome = await desk.run(terms=terms)

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    row = desk.row()
    assert (row["attempts"], row["at_risk_attempts"]) == (2, risks)
    assert (row["cost_usd"], row["at_risk_usd"]) == (AGREED, risks * AGREED)


async def test_a_task_that_lost_its_provider_for_a_while_is_still_fetched(
    desk: Desk, shop: Shop
) -> None:
    shop.poll = in_turn(LOST, LOST, shop.complete)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    desk.check_money()


@pytest.mark.parametrize(
    ("settings", "purchases"),
    [
        pytest.param({}, 2, id="one-more"),
        pytest.param({"max_unknown": 3}, 4, id="as-many-as-the-job-risks"),
        pytest.param({"on_unknown": "hold"}, 1, id="none-where-nothing-is-risked"),
    ],
)
async def test_a_task_that_fails_again_and_again_is_not_paid_for_without_end(
    desk: Desk, shop: Shop, settings: dict[str, Any], purchases: int
) -> None:
    shop.poll = lambda _: as_json({"status": "failed"})

    outcome = await desk.run(**settings)

    assert outcome.totals is not None
    assert outcome.totals.rows == {Status.FAILED: 1}
    assert len(shop.buys) == purchases
    assert desk.row()["at_risk_attempts"] == purchases
    desk.check_money()


async def test_a_failed_task_that_is_known_to_be_free_has_all_attempts(
    desk: Desk, shop: Shop
) -> None:
    shop.poll = lambda _: as_json({"status": "failed"})
    terms = desk.wide("foxapi", 1, failed_tasks="free")

    await desk.run(terms=terms, max_attempts=3)

    assert len(shop.buys) == 3
    assert desk.row()["at_risk_attempts"] == 0
