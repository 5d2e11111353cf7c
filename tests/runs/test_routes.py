"""Rows go to the cheapest provider that can do them, and on where that is safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from batchgen.errors import UsageError
from batchgen.model import Price, Terms
from tests.runs.desk import Desk
from tests.runs.shop import (
    LOST,
    Answer,
    Request,
    Responder,
    Shop,
    as_json,
    in_turn,
    refused,
)

pytestmark = pytest.mark.anyio

FOX, AIML = "foxapi", "aimlapi"
BOTH: dict[str, Any] = {"providers": (AIML, FOX)}
"""The job names the dearer one first: aimlapi at $0.0925, foxapi at $0.05."""


def each(fox: Responder, aiml: Responder) -> Responder:
    """Answer a purchase as the provider that it was sent to."""
    return lambda request: (fox if request.path.startswith("/foxapi") else aiml)(
        request
    )


def of(answer: Answer) -> Responder:
    return lambda _: answer


def sold_by(desk: Desk) -> list[str]:
    return [row["provider"] for row in desk.table()]


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.buy = each(shop.accept, shop.sells(185_000))
    return shop


async def test_each_row_goes_to_the_cheapest_that_can_do_it(
    desk: Desk, shop: Shop
) -> None:
    # aimlapi has no 21:9, and foxapi no option `temperature`.
    desk.write_columns(
        prompt=["a cup", "wide", "a pot"],
        aspect_ratio=["1:1", "21:9", "1:1"],
        provider=["", "", AIML],
    )

    await desk.run(**BOTH)

    assert sold_by(desk) == [FOX, FOX, AIML]
    desk.check_money()


async def test_a_price_that_is_unknown_is_no_low_price(desk: Desk, shop: Shop) -> None:
    desk.prices = {**desk.prices, FOX: ()}
    desk.write("a cup")

    await desk.run(**BOTH)

    assert sold_by(desk) == [AIML]


async def test_a_budget_holds_where_one_of_them_has_a_price(
    desk: Desk, shop: Shop
) -> None:
    desk.prices = {**desk.prices, FOX: ()}
    no = refused(451, "content policy violation")
    shop.buy = each(shop.accept, in_turn(no, shop.sells(185_000)))
    desk.write("no", "a cup")

    await desk.run(**BOTH, max_cost=Decimal(1))

    assert [row["status"] for row in desk.table()] == ["refused", "succeeded"]
    assert {attempt.provider for attempt in desk.attempts()} == {AIML}
    desk.write_columns(prompt=["no", "a cup", "a pot"], provider=["", "", FOX])
    with pytest.raises(BaseExceptionGroup) as caught:
        await desk.run(**BOTH, max_cost=Decimal(1))
    assert caught.group_contains(UsageError, match=r"^row 2, line 4: .*no budget can")
    assert len(shop.buys) == 2


NO_CHARGE = {
    "refused": refused(451, "content policy violation"),
    "invalid": refused(400, "prompt is too long"),
}


@pytest.mark.parametrize("answer", NO_CHARGE.values(), ids=NO_CHARGE)
async def test_what_one_refuses_for_nothing_the_next_is_asked_for(
    desk: Desk, shop: Shop, answer: Answer
) -> None:
    shop.buy = each(of(answer), shop.sells(185_000))
    desk.write("a cup", "a pot")

    outcome = await desk.run(**BOTH)

    assert sold_by(desk) == [AIML, AIML]
    assert Counter(attempt.provider for attempt in desk.attempts()) == {FOX: 2, AIML: 2}
    assert {row["cost_usd"] for row in desk.table()} == {Decimal("0.0925")}
    assert outcome.totals is not None
    assert outcome.totals.at_risk == 0
    desk.check_money()


async def test_a_row_that_both_refuse_is_refused_and_each_was_asked_once(
    desk: Desk, shop: Shop
) -> None:
    no = of(refused(451, "content policy violation"))
    shop.buy = each(no, no)
    desk.write("a cup")

    await desk.run(**BOTH)

    assert [attempt.provider for attempt in desk.attempts()] == [FOX, AIML]
    assert desk.row()["status"] == "refused"
    await desk.run(**BOTH)
    assert len(shop.buys) == 2


async def test_a_failure_that_was_charged_is_not_paid_for_elsewhere(
    desk: Desk, shop: Shop
) -> None:
    cent = Decimal("0.01")
    price = Price(expected=cent, ceiling=cent, page="a list")
    desk.prices = {**desk.prices, AIML: (price,)}
    usage = {"meta": {"usage": {"credits_used": 20_000}}}
    no = as_json({"error": {"message": "content policy violation"}, **usage}, 451)
    shop.billed_nano = 10_000_000
    shop.buy = each(shop.accept, of(no))
    desk.write("a cup")

    await desk.run(**BOTH)

    row = desk.row()
    assert {attempt.provider for attempt in desk.attempts()} == {AIML}
    assert (row["status"], row["cost_usd"]) == ("refused", Decimal("0.01"))
    desk.check_money()


@pytest.mark.parametrize(("max_unknown", "made_by"), [(0, FOX), (1, AIML)])
async def test_a_failed_task_of_unknown_charge_moves_within_the_risk_that_is_taken(
    desk: Desk, shop: Shop, max_unknown: int, made_by: str
) -> None:
    failure = {"status": "failed", "error": {"message": "content policy"}}
    shop.poll = lambda _: as_json(failure)
    desk.write("a cup")

    await desk.run(**BOTH, max_unknown=max_unknown)

    row = desk.row()
    assert (row["provider"], row["at_risk_attempts"]) == (made_by, 1)
    desk.check_money()


UNKNOWN = {"retry": ("succeeded", AIML), "hold": ("held", FOX)}


@pytest.mark.parametrize("policy", UNKNOWN)
async def test_after_an_unknown_outcome_it_moves_only_where_the_risk_is_taken(
    desk: Desk, shop: Shop, policy: str
) -> None:
    shop.buy = each(
        in_turn(LOST, refused(451, "content policy violation")), shop.sells(185_000)
    )
    shop.billed_nano = 50_000_000
    desk.write("a cup")

    await desk.run(**BOTH, on_unknown=policy)

    row = desk.row()
    assert (row["status"], row["provider"]) == UNKNOWN[policy]
    assert row["at_risk_attempts"] == 1
    desk.check_money()


STOPS: dict[str, Callable[[], Answer]] = {
    "key": lambda: refused(401, "invalid api key"),
    "credit": lambda: refused(402, "insufficient_quota: out of credit"),
}


@pytest.mark.parametrize("reason", STOPS)
async def test_rows_of_a_provider_that_stopped_are_made_by_the_next(
    desk: Desk, shop: Shop, reason: str
) -> None:
    shop.buy = each(
        in_turn(shop.accept, STOPS[reason]()),
        shop.sells(185_000),
    )
    desk.write(*(f"cup {number}" for number in range(90)))

    outcome = await desk.run(**BOTH)

    assert Counter(sold_by(desk)) == {FOX: 1, AIML: 89}
    assert {row["status"] for row in desk.table()} == {"succeeded"}
    assert [error.provider for error in outcome.stopped] == [FOX]
    desk.check_money()


async def test_what_was_in_flight_where_it_stopped_moves_when_it_fails_there(
    desk: Desk, shop: Shop
) -> None:
    taken_count, rows = 3, 8
    accepted = (shop.accept,) * taken_count
    shop.buy = each(in_turn(*accepted, STOPS["credit"]()), shop.sells(185_000))

    def fails_last(request: Request) -> Answer:
        elsewhere = sum(AIML in buy.path for buy in shop.buys)
        if elsewhere < rows - taken_count:  # the others are not yet sold elsewhere
            return shop.running(request)
        return as_json({"status": "failed", "error": {"message": "internal"}})

    shop.poll = fails_last
    desk.write(*(f"cup {number}" for number in range(rows)))

    await desk.run(**BOTH, terms=desk.wide(FOX, taken_count + 1))

    assert Counter(sold_by(desk)) == {AIML: rows}
    assert {row["status"] for row in desk.table()} == {"succeeded"}
    assert Counter(attempt.provider for attempt in desk.attempts())[AIML] == rows
    assert not any(
        attempt.counts
        for attempt in desk.attempts()[taken_count:]
        if attempt.provider == FOX
    )
    desk.check_money()


async def test_a_row_keeps_what_it_has_and_gets_the_rest_elsewhere(
    desk: Desk, shop: Shop
) -> None:
    stops = in_turn(shop.accept, STOPS["credit"]())
    shop.buy = each(stops, shop.sells(185_000))
    desk.write_columns(prompt=["a cup", "a pot"], n=[2, 2])
    terms = desk.wide(FOX, 1, images_per_request=1)

    await desk.run(**BOTH, terms=terms)

    assert {row["status"] for row in desk.table()} == {"succeeded"}
    deliveries = [
        (attempt.row_id, attempt.provider)
        for attempt in desk.attempts()
        if attempt.counts
    ]
    assert Counter(deliveries) == {(1, FOX): 1, (1, AIML): 1, (2, AIML): 2}
    desk.check_money()


async def test_rows_that_only_the_stopped_one_can_make_stay_pending(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = each(of(refused(401, "invalid api key")), shop.sells(185_000))
    desk.write_columns(prompt=["a", "b"], aspect_ratio=["21:9", "1:1"])

    await desk.run(**BOTH)

    assert [row["status"] for row in desk.table()] == ["pending", "succeeded"]


async def test_a_row_that_moved_stays_moved_when_the_manifest_is_read_again(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = each(
        of(refused(451, "content policy violation")),
        in_turn(refused(401, "invalid api key"), shop.sells(185_000)),
    )
    desk.write("a cup", ids=["a"])
    await desk.run(**BOTH)
    desk.write("a cup", "a pot", ids=["a", "b"])

    await desk.run(**BOTH)

    attempts = [(attempt.provider, attempt.row_id) for attempt in desk.attempts()]
    assert attempts == [(FOX, 1), (AIML, 1), (AIML, 1), (FOX, 2), (AIML, 2)]


async def test_who_is_done_helps_the_others_where_time_counts(
    desk: Desk, shop: Shop
) -> None:
    # foxapi answers only once aimlapi has made all the rest.
    rows = 40
    purchases = 0

    def slowly(request: Request) -> Answer:
        nonlocal purchases
        purchases += 1
        if purchases > 1:
            raise AssertionError("one place in flight, and it is taken")
        return shop.accept(request)

    def waits(request: Request) -> Answer:
        done = sum(buy.path.startswith("/aimlapi") for buy in shop.buys)
        return (shop.complete if done == rows - 1 else shop.running)(request)

    shop.poll = waits
    shop.buy = each(slowly, shop.sells(185_000))
    desk.write(*(f"cup {number}" for number in range(rows)))

    await desk.run(**BOTH, route="fastest")

    assert Counter(sold_by(desk)) == {FOX: 1, AIML: rows - 1}
    assert len(desk.attempts()) == rows
    desk.check_money()


async def test_rows_are_dealt_out_by_what_each_may_do(desk: Desk, shop: Shop) -> None:
    terms = {
        name: Terms(base_url=f"{shop.url}/{name}", rpm=rpm, concurrency=100)
        for name, rpm in ((FOX, 3000.0), (AIML, 1000.0))
    }
    desk.write(*(f"cup {number}" for number in range(8)))

    await desk.run(**BOTH, route="fastest", terms=terms)

    assert sold_by(desk).count(FOX) >= 4
    assert AIML in sold_by(desk)
