"""Budgets for each value of a column: who waits, who goes on, what counts for whom."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from batchgen.admission import row_scan as scan
from batchgen.admission.failover import WorkStealing
from batchgen.attempts import fetch
from batchgen.errors import BudgetReached, GroupsFull, SpecError, UsageError
from batchgen.model import Price, Status, to_nano
from batchgen.providers.aimlapi import AimlApi
from tests.prices import at
from tests.runs.desk import PRICES, Desk, QuickFox, statuses
from tests.runs.shop import Answer, Request, Shop, as_json, refused

pytestmark = pytest.mark.anyio

CREDITS = 178_975
COST = 89_487_500
CEILING = to_nano(at(AimlApi.prices, "1K").ceiling)
TWO = Decimal(COST + CEILING).scaleb(-9)
"""Enough for two images, one after the other."""


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    shop.buy = shop.sells(CREDITS)
    return desk


def by(limit: Decimal = TWO, **more: Decimal) -> Mapping[str, Any]:
    return {"max_cost_by": {"brand": {"*": limit, **more}}}


def images_by_brand(desk: Desk) -> dict[str, int]:
    """Return how many rows of each brand have their image."""
    counts: dict[str, int] = {}
    for row in desk.table():
        counts[row["brand"]] = counts.get(row["brand"], 0) + (
            row["status"] == "succeeded"
        )
    return counts


def catalogue(desk: Desk, *brands: str) -> None:
    prompts = [f"cup {number}" for number in range(len(brands))]
    desk.write_columns(prompt=prompts, brand=brands)


async def test_a_full_group_waits_while_the_others_go_on(
    desk: Desk, shop: Shop
) -> None:
    catalogue(desk, *["Acme"] * 5, "Brio", *["Acme"] * 3, "Brio", "Cup & Co")

    outcome = await desk.run(
        **by(), terms=desk.wide("aimlapi", concurrency=4), max_cost=Decimal(9)
    )

    assert isinstance(outcome.error, GroupsFull)
    assert "brand 'Acme': $0.178975 of $0.2282375" in str(outcome.error)
    assert "Brio" not in str(outcome.error)
    assert images_by_brand(desk) == {"Acme": 2, "Brio": 2, "Cup & Co": 1}
    desk.check_money()


async def test_raising_the_budget_of_one_value_carries_on_with_it_alone(
    desk: Desk, shop: Shop
) -> None:
    catalogue(desk, *["Acme"] * 4, *["Brio"] * 3)
    await desk.run(**by())
    assert images_by_brand(desk) == {"Acme": 2, "Brio": 2}

    outcome = await desk.run(**by(Acme=Decimal(9)))

    assert isinstance(outcome.error, GroupsFull)
    assert "Acme" not in str(outcome.error)
    assert images_by_brand(desk) == {"Acme": 4, "Brio": 2}
    assert len(shop.buys) == 6
    outcome = await desk.run()
    assert statuses(outcome) == {Status.SUCCEEDED: 7}
    desk.check_money()


@pytest.mark.parametrize(
    "ahead", [pytest.param(256, id="all-read"), pytest.param(2, id="passed-over")]
)
async def test_money_that_comes_back_is_spent_on_rows_that_had_to_wait(
    desk: Desk, shop: Shop, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "SLICE", ahead)
    catalogue(desk, *["Acme"] * 12, "Brio")
    shop.buy = shop.sells(CREDITS // 10)
    limit = Decimal(3 * CEILING).scaleb(-9)  # four in flight do not fit, twelve do

    outcome = await desk.run(
        **by(limit), terms=desk.wide("aimlapi", concurrency=4, rpm=None)
    )

    assert statuses(outcome) == {Status.SUCCEEDED: 13}
    assert outcome.error is None
    desk.check_money()


async def test_a_part_that_is_tried_again_waits_with_its_group(
    desk: Desk, shop: Shop
) -> None:
    catalogue(desk, *["Acme"] * 3)

    def buy(request: Request) -> Answer:
        if len(shop.buys) > 1:
            return shop.sells(CREDITS)(request)
        shop.billed_nano += COST
        usage = {"usage": {"credits_used": CREDITS}}
        return as_json({"data": [], "meta": usage})

    shop.buy = buy

    outcome = await desk.run(**by())

    assert isinstance(outcome.error, GroupsFull)
    assert sum(images_by_brand(desk).values()) == 1
    desk.check_money()


async def test_two_columns_have_their_limits_each(desk: Desk, shop: Shop) -> None:
    desk.write_columns(
        prompt=[f"cup {number}" for number in range(6)],
        brand=["Acme", "Acme", "Acme", "Brio", "Brio", "Brio"],
        kind=["hat", "shoe", "hat", "hat", "hat", "shoe"],
    )
    limits = {"brand": {"*": Decimal(9)}, "kind": {"hat": TWO}}

    outcome = await desk.run(max_cost_by=limits)

    assert isinstance(outcome.error, GroupsFull)
    assert str(outcome.error) == "kind 'hat': $0.178975 of $0.2282375"
    assert images_by_brand(desk) == {"Acme": 3, "Brio": 1}


async def test_earlier_purchases_count_for_the_value_that_their_rows_have_now(
    desk: Desk, shop: Shop
) -> None:
    catalogue(desk, "Acme", "Acme", "Brio")
    await desk.run()
    prompts = ["cup 0", "cup 1", "cup 2", "new for Acme", "new for Brio"]
    # The second one changed hands; nothing else of its row did.
    desk.write_columns(prompt=prompts, brand=["Acme", "Brio", "Brio", "Acme", "Brio"])

    outcome = await desk.run(**by())

    assert isinstance(outcome.error, GroupsFull)
    assert images_by_brand(desk) == {"Acme": 2, "Brio": 2}
    assert shop.prompts[3:] == ["new for Acme"]


async def test_a_budget_that_comes_later_counts_what_was_bought_before(
    desk: Desk, shop: Shop
) -> None:
    catalogue(desk, *["Acme"] * 4)
    await desk.run(limit=2)

    outcome = await desk.run(**by())

    assert isinstance(outcome.error, GroupsFull)
    assert len(shop.buys) == 2


async def test_what_was_paid_for_rows_that_are_gone_counts_for_their_value(
    desk: Desk, shop: Shop
) -> None:
    catalogue(desk, "Acme", "Acme", "Acme")
    await desk.run(**by())
    desk.write_columns(prompt=["another", "one more"], brand=["Acme", "Brio"])

    outcome = await desk.run(rebuy=True, **by())

    assert isinstance(outcome.error, GroupsFull)
    assert images_by_brand(desk) == {"Acme": 0, "Brio": 1}


async def test_what_was_delivered_at_an_unknown_price_counts_in_the_next_run(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_ROUNDS", 1)
    link = f"{shop.url}/images/1.png"
    shop.buy = lambda _: as_json({"data": [{"url": link}]})
    shop.image = lambda _: refused(503, "later")
    desk.write("a cup")
    await desk.run(max_attempts=1)
    desk.write("a cup", "a lamp")
    shop.requests.clear()

    outcome = await desk.run(max_cost=Decimal(2 * CEILING - 1).scaleb(-9))

    assert isinstance(outcome.error, BudgetReached)
    assert shop.buys == []


async def test_a_column_that_is_not_there_is_told_with_those_that_are(
    desk: Desk,
) -> None:
    catalogue(desk, "Acme")

    with pytest.raises(SpecError, match=r"no column `Brand`.*\(it has prompt, brand\)"):
        await desk.run(max_cost_by={"Brand": {"*": TWO}})


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(by(), id="by-column"),
        pytest.param({"max_cost_per_day": Decimal(9)}, id="by-day"),
    ],
)
async def test_no_budget_holds_without_a_price(
    desk: Desk, shop: Shop, settings: dict[str, Any]
) -> None:
    catalogue(desk, "Acme")
    desk.prices = {}

    with pytest.raises(BaseExceptionGroup) as caught:
        await desk.run(**settings)

    assert caught.group_contains(UsageError, match="no budget can hold")
    assert shop.requests == []


async def test_what_is_open_counts_at_what_it_may_cost_though_prices_fell(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "foxapi"
    desk.prices = {"foxapi": (Price.agreed(Decimal("0.50"), "agreed"),)}
    shop.buy = shop.accept
    desk.fox = QuickFox(deadline_s=0.05)
    shop.poll = shop.running
    desk.write("a cup", ids=["a"])
    await desk.run()
    desk.prices = PRICES
    desk.fox = QuickFox()
    shop.poll = lambda request: (
        shop.running if request.name == "task-1" else shop.complete
    )(request)
    cups = [f"cup {number}" for number in range(4)]
    desk.write("a cup", *cups, ids=["a", *"bcde"])

    outcome = await desk.run(max_cost=Decimal("0.60"))

    assert isinstance(outcome.error, BudgetReached)
    assert outcome.totals is not None
    assert outcome.totals.at_risk == 500_000_000
    assert outcome.totals.spent == 100_000_000


async def test_what_was_bought_without_a_price_counts_once_there_is_one(
    desk: Desk, shop: Shop
) -> None:
    desk.provider, shop.buy = "foxapi", shop.accept
    desk.prices = {**PRICES, "foxapi": ()}
    desk.write("cup", "pot", ids=["a", "b"])
    await desk.run()
    desk.prices = PRICES
    desk.write("cup", "pot", "jug", ids=["a", "b", "c"])

    full = await desk.run(max_cost=Decimal("0.14"))

    assert isinstance(full.error, BudgetReached)
    assert statuses(full) == {Status.SUCCEEDED: 2, Status.PENDING: 1}
    more = await desk.run(max_cost=Decimal("0.15"))
    assert statuses(more) == {Status.SUCCEEDED: 3}
    assert shop.billed_nano == 150_000_000


async def test_money_that_comes_back_while_others_are_asked_for_rows_is_seen(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wake-up in that moment was missed: the last row stayed pending, for no reason.

    All rows fit into the budget, one after the other, and only one provider has them.
    """
    steal_rows = WorkStealing.steal

    async def steal(self: WorkStealing) -> bool:
        has_stolen = await steal_rows(self)
        while self._queue.name == "aimlapi" and self._run.live:
            await checkpoint()  # the purchase under way ends, and wakes whoever waits
        return has_stolen

    monkeypatch.setattr(WorkStealing, "steal", steal)
    desk.write_columns(
        prompt=["cup", "mug", "jug"], brand=["Acme"] * 3, provider=["aimlapi"] * 3
    )
    settings = {
        **by(Decimal(2 * COST + CEILING).scaleb(-9)),
        "providers": ("aimlapi", "foxapi"),
        "terms": desk.wide("aimlapi", concurrency=4),
    }
    # So that the plan stands when the next run begins.
    await desk.run(**settings, limit=1)

    outcome = await desk.run(**settings)

    assert statuses(outcome) == {Status.SUCCEEDED: 3}
    assert outcome.error is None
