"""Purchases that are throttled, lost, charged otherwise, or refused; and the budget."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import pytest

from batchgen.admission import permit
from batchgen.admission import provider_queue as queue
from batchgen.errors import BudgetReached, Charge, CredentialRejected, UsageError
from batchgen.ledger.estimate import EVERY_ROW, estimate_of
from batchgen.model import Delivered, Reply, State, Status, to_nano
from batchgen.providers.aimlapi import AimlApi
from batchgen.runner.folder import read_ledger
from tests.prices import at
from tests.runs.desk import Desk, statuses
from tests.runs.shop import LOST, Answer, Request, Shop, as_json, in_turn, refused

pytestmark = pytest.mark.anyio

CREDITS = 178_975
COST = 89_487_500
CEILING = to_nano(at(AimlApi.prices, "1K").ceiling)
DEAR = 4 * CREDITS
DEAR_NANO = 4 * COST


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    shop.buy = shop.sells(CREDITS)
    return desk


def at_risk(shop: Shop) -> None:
    """Let the next thing be charged although its reply is lost."""
    shop.billed_nano += COST


# -- throttled


@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_is_a_floor_for_every_row_of_the_provider(
    desk: Desk, shop: Shop, status: int
) -> None:
    desk.write("a", "b", "c", "d")
    slow = refused(status, "slow down", retry_after="0.6")
    shop.buy = in_turn(shop.sells(CREDITS), slow, shop.sells(CREDITS))

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 4}
    first, throttled, *later = (buy.at_s for buy in shop.buys)
    assert first <= throttled
    assert min(later) >= throttled + 0.6
    assert len(later) == 3
    desk.check_money()


async def test_throttled_tries_do_not_count_against_max_attempts(
    desk: Desk, shop: Shop
) -> None:
    slow = refused(429, "slow down", retry_after="0.01")
    shop.buy = in_turn(slow, slow, slow, shop.sells(CREDITS))

    outcome = await desk.run(max_attempts=1)

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert desk.row()["attempts"] == 1
    assert [attempt.state for attempt in desk.attempts()] == [State.REJECTED] * 3 + [
        State.STORED
    ]


async def test_a_throttle_without_a_wait_stops_nothing(desk: Desk, shop: Shop) -> None:
    shop.buy = in_turn(refused(429, "slow down"), shop.sells(CREDITS))

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert shop.buys[1].at_s >= shop.buys[0].at_s + 1.0


# -- stopped


async def test_a_refused_key_stops_at_once_and_leaves_the_rows(
    desk: Desk, shop: Shop
) -> None:
    desk.write("a", "b", "c")
    shop.buy = lambda _: refused(401, "bad key")

    outcome = await desk.run()

    assert [type(error) for error in outcome.stopped] == [CredentialRejected]
    assert statuses(outcome) == {Status.PENDING: 3}
    assert len(shop.buys) == 1
    shop.buy = shop.sells(CREDITS)
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 3}
    assert [row["attempts"] for row in desk.table()] == [1, 1, 1]
    desk.check_money()


@pytest.mark.parametrize("rows", [["a", "b"], ["a", "b", "c"]])
async def test_a_refused_key_does_not_wait_for_a_retry_that_is_far_away(
    desk: Desk, shop: Shop, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permit, "FIRST_ANSWER_S", 0.0)
    desk.write(*rows)
    slow = refused(429, "slow down", retry_after="3600")
    shop.buy = in_turn(slow, refused(401, "bad key"))

    with anyio.fail_after(20):
        outcome = await desk.run(terms=desk.wide("aimlapi", 2))

    assert [type(error) for error in outcome.stopped] == [CredentialRejected]
    assert statuses(outcome) == {Status.PENDING: len(rows)}


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_refused_key_does_not_wait_for_the_next_departure(
    desk: Desk, shop: Shop, concurrency: int
) -> None:
    desk.write("a", "b")
    shop.buy = lambda _: refused(401, "bad key")

    with anyio.fail_after(20):
        outcome = await desk.run(terms=desk.wide("aimlapi", concurrency, rpm=1.0))

    assert [type(error) for error in outcome.stopped] == [CredentialRejected]
    assert len(shop.buys) == 1


# -- no image, refused, lost


async def test_an_answer_without_an_image_is_asked_again_once_at_most(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = lambda _: as_json({"data": []})

    outcome = await desk.run(max_attempts=5)

    assert statuses(outcome) == {Status.FAILED: 1}
    assert len(shop.buys) == 2
    row = desk.row()
    assert (row["error"], row["at_risk_attempts"]) == ("no_image", 2)
    assert (row["cost_usd"], row["cost_basis"]) == (None, "unknown")


async def test_a_refusal_is_never_asked_again(desk: Desk, shop: Shop) -> None:
    shop.buy = lambda _: refused(400, "violates our content policy")

    assert statuses(await desk.run()) == {Status.REFUSED: 1}
    assert statuses(await desk.run()) == {Status.REFUSED: 1}

    assert len(shop.buys) == 1
    assert desk.row()["message"].startswith("violates our content policy")


async def test_a_failure_before_anything_was_accepted_is_tried_again(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = in_turn(refused(500, "oops"), shop.sells(CREDITS))

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    row = desk.row()
    assert (row["attempts"], row["at_risk_usd"]) == (2, 0)
    desk.check_money()


async def test_max_attempts_ends_a_row_that_always_fails(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = lambda _: refused(500, "oops")

    outcome = await desk.run(max_attempts=2)

    assert statuses(outcome) == {Status.FAILED: 1}
    assert len(shop.buys) == 2


async def test_a_lost_reply_is_bought_again_once_and_both_are_admitted(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = in_turn(LOST, shop.sells(CREDITS))
    at_risk(shop)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    row = desk.row()
    assert (row["cost_usd"], row["cost_basis"]) == (Decimal("0.0894875"), "reported")
    assert (row["at_risk_usd"], row["at_risk_attempts"]) == (Decimal("0.13875"), 1)
    assert row["attempts"] == 2
    desk.check_money()


@pytest.mark.parametrize(
    ("settings", "purchases"),
    [
        pytest.param({"on_unknown": "hold"}, 1, id="hold"),
        pytest.param({"max_unknown": 0}, 1, id="none-again"),
        pytest.param({}, 2, id="once-again"),
        pytest.param({"max_unknown": 3}, 4, id="three-times-again"),
        pytest.param({"max_unknown": 9, "max_attempts": 3}, 3, id="max-attempts"),
    ],
)
async def test_replies_that_are_lost_again_and_again_end_in_held(
    desk: Desk, shop: Shop, settings: dict[str, Any], purchases: int
) -> None:
    shop.buy = lambda _: LOST

    outcome = await desk.run(**settings)

    assert statuses(outcome) == {Status.HELD: 1}
    assert len(shop.buys) == purchases
    row = desk.row()
    assert (row["at_risk_attempts"], row["error"]) == (purchases, "outcome_unknown")
    assert row["at_risk_usd"] == purchases * Decimal("0.13875")
    desk.check_money()


async def test_a_held_row_is_bought_again_only_after_retry(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = lambda _: LOST
    await desk.run(on_unknown="hold")
    shop.buy = shop.sells(CREDITS)

    assert statuses(await desk.run()) == {Status.HELD: 1}
    assert len(shop.buys) == 1
    assert desk.retry("held") == 1

    assert statuses(await desk.run(on_unknown="hold")) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 2
    desk.check_money()


# -- charged above the ceiling


async def test_a_charge_above_the_ceiling_is_told_and_values_later_risks(
    desk: Desk, shop: Shop
) -> None:
    desk.write("dear", "lost")
    shop.buy = in_turn(shop.sells(DEAR), LOST)

    await desk.run(on_unknown="hold")

    assert [notice for notice in desk.notices if "more than its ceiling" in notice]
    dear, lost = desk.table()
    assert dear["cost_usd"] == Decimal(DEAR_NANO).scaleb(-9)
    assert lost["at_risk_usd"] == Decimal(DEAR_NANO).scaleb(-9)
    desk.check_money()


async def test_a_charge_above_the_ceiling_values_earlier_risks_in_the_budget_too(
    desk: Desk, shop: Shop
) -> None:
    desk.write("lost", "dear", "too much")
    shop.buy = in_turn(LOST, shop.sells(DEAR), shop.sells(DEAR))
    limit = Decimal(2 * DEAR_NANO + DEAR_NANO // 2 + CEILING).scaleb(-9)

    outcome = await desk.run(on_unknown="hold", max_cost=limit)

    assert isinstance(outcome.error, BudgetReached)
    assert shop.prompts == ["lost", "dear"]
    totals = desk.totals()
    assert (totals.spent, totals.at_risk) == (DEAR_NANO, DEAR_NANO)
    assert totals.spent + totals.at_risk <= to_nano(limit)


async def test_a_failure_that_was_charged_above_the_ceiling_is_told_as_well(
    desk: Desk, shop: Shop
) -> None:
    desk.write("dear", "lost")
    empty = as_json({"data": [], "meta": {"usage": {"credits_used": DEAR}}})
    shop.buy = in_turn(empty, LOST)
    shop.billed_nano = DEAR_NANO

    await desk.run(on_unknown="hold", max_attempts=1)

    assert [notice for notice in desk.notices if "more than its ceiling" in notice]
    dear, lost = desk.table()
    assert (dear["error"], dear["cost_usd"]) == (
        "no_image",
        Decimal(DEAR_NANO).scaleb(-9),
    )
    assert lost["at_risk_usd"] == Decimal(DEAR_NANO).scaleb(-9)
    assert desk.attempts()[0].charge is Charge.REPORTED
    desk.check_money()


# -- the budget


async def test_a_budget_is_never_passed_and_raising_it_carries_on(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*(f"cup {number}" for number in range(6)))

    outcome = await desk.run(
        max_cost=Decimal("0.33"), terms=desk.wide("aimlapi", concurrency=6)
    )

    assert isinstance(outcome.error, BudgetReached)
    assert shop.billed_nano <= 330_000_000
    purchases = len(shop.buys)
    # What is left after the last one is less than the ceiling of another.
    assert 330_000_000 - shop.billed_nano < CEILING
    assert statuses(outcome) == {
        Status.SUCCEEDED: purchases,
        Status.PENDING: 6 - purchases,
    }
    desk.check_money()

    outcome = await desk.run(max_cost=Decimal(2))

    assert statuses(outcome) == {Status.SUCCEEDED: 6}
    assert len(shop.buys) == 6
    desk.check_money()


async def test_money_at_risk_counts_for_the_budget_of_the_next_run(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = lambda _: LOST
    await desk.run(on_unknown="hold")
    desk.write("a cup", "a lamp")
    shop.requests.clear()

    outcome = await desk.run(max_cost=Decimal(2 * CEILING - 1).scaleb(-9))

    assert isinstance(outcome.error, BudgetReached)
    assert shop.buys == []


async def test_a_budget_needs_a_price(desk: Desk, shop: Shop) -> None:
    desk.prices = {}

    with pytest.raises(BaseExceptionGroup) as caught:
        await desk.run(max_cost=Decimal(1))

    assert caught.group_contains(UsageError)
    assert shop.requests == []


# -- several images


async def test_a_row_of_several_images_succeeds_when_all_are_stored(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = in_turn(shop.sells(CREDITS), refused(500, "oops"), shop.sells(CREDITS))

    outcome = await desk.run(n=3)

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    row = desk.row()
    assert [file["image"] for file in row["files"]] == [1, 2, 3]
    assert row["cost_usd"] == 3 * Decimal("0.0894875")
    assert (row["attempts"], len(shop.buys)) == (4, 4)
    desk.check_money()


async def test_a_refused_part_keeps_the_images_that_were_paid_for(
    desk: Desk, shop: Shop
) -> None:
    no = refused(400, "violates our content policy")
    shop.buy = in_turn(shop.sells(CREDITS), no, shop.sells(CREDITS))

    outcome = await desk.run(n=3)

    assert statuses(outcome) == {Status.REFUSED: 1}
    row = desk.row()
    assert [file["image"] for file in row["files"]] == [1]
    assert row["cost_usd"] == Decimal("0.0894875")
    assert len(shop.buys) == 2
    desk.check_money()

    desk.retry("refused")
    ledger = read_ledger(desk.out)
    estimate = estimate_of(ledger, EVERY_ROW, ledger.generation)
    ledger.close()

    assert (estimate.rows, estimate.images) == (1, 2)
    assert estimate.usd == 2 * Decimal("0.0925")


async def test_a_run_that_is_cancelled_ends_and_loses_nothing(
    desk: Desk, shop: Shop
) -> None:
    desk.write("a", "b", "c")
    sell = shop.sells(CREDITS)

    with anyio.CancelScope() as whole, anyio.fail_after(20):

        def cancel(request: Request) -> Answer:
            whole.cancel()
            return sell(request)

        shop.buy = in_turn(sell, cancel)
        await desk.run()

    assert whole.cancelled_caught
    desk.shop.buy = sell
    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 3}
    assert shop.prompts in (["a", "b", "c"], ["a", "b", "c", "b"], ["a", "b", "b", "c"])
    desk.check_money()


# -- what is not as it should be


async def test_a_warning_that_the_reply_gives_reason_for_reaches_the_table(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = AimlApi.decode

    def warn(provider: AimlApi, reply: Reply) -> Delivered:
        return replace(decode(provider, reply), warning="only a draft came")

    monkeypatch.setattr(AimlApi, "decode", warn)
    desk.write("a")

    await desk.run()

    assert desk.row()["status"] == "succeeded"
    assert "only a draft came" in desk.row()["warning"]


async def test_a_gateway_timeout_is_at_risk_and_not_bought_again_and_again(
    desk: Desk, shop: Shop
) -> None:
    message = "litellm.Timeout: APITimeoutError - Request timed out."

    def late(request: Request) -> Answer:
        at_risk(shop)
        return as_json({"error": {"message": message, "code": "408"}}, 408)

    shop.buy = late
    desk.write("a")

    await desk.run()

    assert len(shop.buys) == 2  # as often as --max-unknown allows
    assert desk.row()["status"] == "held"
    assert desk.row()["at_risk_attempts"] == 2
    desk.check_money()


@pytest.mark.parametrize(("is_own", "status"), [(True, "succeeded"), (False, "held")])
async def test_a_timeout_is_free_at_the_providers_own_address_alone(
    desk: Desk,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    is_own: bool,  # noqa: FBT001 - a column of the table
    status: str,
) -> None:
    monkeypatch.setattr(queue, "is_own_address", lambda *_: is_own)
    late = refused(504, "Generation timeout")
    shop.buy = in_turn(late, late, shop.sells(CREDITS))
    desk.write("a")

    await desk.run()

    assert desk.row()["status"] == status
    assert desk.row()["at_risk_attempts"] == (0 if is_own else 2)
