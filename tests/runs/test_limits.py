"""A run that nearly only fails stops; a limit that was found is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from batchgen.admission.learned_limits import describe_learned_limits
from batchgen.errors import NearlyAllFailed
from batchgen.model import Status, Terms
from batchgen.runner.folder import read_ledger
from tests.runs.desk import Desk, statuses
from tests.runs.shop import Answer, Request, Shop, as_json, refused

pytestmark = pytest.mark.anyio

CREDITS = 178_975
AT_ONCE = 4
ROWS = 120
REFUSED = refused(400, "violates our content policy")


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    shop.buy = shop.sells(CREDITS)
    desk.write(*(f"row {number}" for number in range(ROWS)))
    return desk


def mostly(shop: Shop, bad: Answer, good_every: int = 0) -> Callable[[Request], Answer]:
    sell = shop.sells(CREDITS)

    def buy(request: Request) -> Answer:
        is_good = good_every and len(shop.buys) % good_every == 0
        return sell(request) if is_good else bad

    return buy


# -- max_failures


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(REFUSED, id="refused"),
        pytest.param(refused(400, "prompt too long"), id="invalid"),
        pytest.param(as_json({"data": []}), id="no-image"),
    ],
)
async def test_a_bad_template_buys_fifty_rows_and_not_ten_thousand(
    desk: Desk, shop: Shop, bad: Answer
) -> None:
    sell, spoilt = shop.sells(CREDITS), mostly(shop, bad)
    # Key and model work: it is nothing but the template.
    shop.buy = lambda request: (sell if len(shop.buys) == 1 else spoilt)(request)

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert isinstance(outcome.error, NearlyAllFailed)
    assert "of the last 50 rows" in str(outcome.error)
    assert "`max_failures = false`" in str(outcome.error)
    ended = statuses(outcome)
    pending = ended.pop(Status.PENDING)
    # Those under way come in; downloads count among them.
    assert 50 <= sum(ended.values()) <= 50 + 3 * AT_ONCE
    assert pending == ROWS - sum(ended.values())
    assert [row["status"] for row in desk.table()].count("pending") == pending


async def test_the_same_command_goes_on_and_judges_anew(desk: Desk, shop: Shop) -> None:
    shop.buy = mostly(shop, REFUSED)
    first = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))
    pending = statuses(first)[Status.PENDING]
    shop.buy = shop.sells(CREDITS)

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert outcome.error is None
    assert statuses(outcome)[Status.SUCCEEDED] == pending


@pytest.mark.parametrize(
    ("settings", "good_every"),
    [
        pytest.param({"max_failures": None}, 0, id="turned-off"),
        pytest.param({}, 5, id="a-fifth-succeeds"),
        pytest.param({"max_failures": 1.0}, 25, id="only-all-of-them"),
    ],
)
async def test_a_run_goes_on_that_does_not_fail_enough(
    desk: Desk, shop: Shop, settings: dict[str, Any], good_every: int
) -> None:
    shop.buy = mostly(shop, REFUSED, good_every)

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE), **settings)

    assert outcome.error is None
    assert len(shop.buys) == ROWS


async def test_a_lower_share_stops_sooner(desk: Desk, shop: Shop) -> None:
    shop.buy = mostly(shop, REFUSED, 2)

    outcome = await desk.run(max_failures=0.5, terms=desk.wide("aimlapi", 1))

    assert isinstance(outcome.error, NearlyAllFailed)
    assert len(shop.buys) < ROWS


# -- what is found


async def test_a_limit_that_was_found_is_where_a_restart_begins(
    desk: Desk, shop: Shop
) -> None:
    sell = shop.sells(CREDITS)
    shop.buy = lambda request: (
        refused(429, "slow") if len(shop.buys) == 3 else sell(request)
    )
    terms: dict[str, Terms] = desk.wide("aimlapi", 1)
    terms["aimlapi"] = Terms(
        base_url=f"{shop.url}/aimlapi", concurrency="auto", rpm="auto"
    )

    outcome = await desk.run(limit=40, max_attempts=1, terms=terms)

    assert statuses(outcome) == {Status.SUCCEEDED: 40}
    ledger = read_ledger(desk.out)
    try:
        limits = ledger.read_meta(f"found aimlapi {shop.url}/aimlapi")
        lines = list(describe_learned_limits(ledger))
    finally:
        ledger.close()
    assert isinstance(limits, str)
    limit, _ = json.loads(json.loads(limits)["concurrency"])
    assert lines == [f"found for aimlapi: concurrency {limit:.0f}"]
