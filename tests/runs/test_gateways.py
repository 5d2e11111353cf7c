"""Real gateways in front of a shop: what they refuse by a 503 was never bought."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchgen.limits import concurrency_limiter as limiter
from batchgen.limits.verdicts import OWN_THROTTLES
from batchgen.model import Status, Terms
from tests.daemons.haproxy import haproxy
from tests.daemons.nginx import nginx
from tests.runs.desk import Desk, rows, statuses
from tests.runs.shop import Answer, Request, Shop

pytestmark = pytest.mark.anyio

CREDITS = 100_000
TAKES_S = 0.5
HTML = {"content-type": "text/html"}


def behind(desk: Desk, port: int, **terms: Any) -> dict[str, Terms]:
    """Return terms by which AI/ML API is bought from behind a gateway."""
    settings = {"rpm": "auto", "concurrency": "auto"} | terms
    base_url = f"http://127.0.0.1:{port}/aimlapi"
    usual = desk.job().terms
    return {
        **usual,
        "aimlapi": replace(usual["aimlapi"], base_url=base_url, **settings),
    }


@pytest.fixture
def slow(desk: Desk, shop: Shop) -> Desk:
    """A desk whose shop makes an image in half a second."""
    desk.provider = "aimlapi"
    shop.buy, shop.takes_s = shop.sells(CREDITS), TAKES_S
    return desk


def check_all_bought_once(desk: Desk, shop: Shop, count: int) -> None:
    desk.check_money()
    assert desk.totals().at_risk == 0
    assert len(shop.buys) == count
    assert {row["attempts"] for row in desk.table()} == {1}


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param({}, id="auto"),
        pytest.param({"rpm": None, "concurrency": 16}, id="fixed"),
    ],
)
async def test_what_nginx_limits_by_its_503_page_is_a_throttle(
    slow: Desk, shop: Shop, tmp_path: Path, terms: dict[str, Any]
) -> None:
    slow.write(*rows(60))
    port = int(shop.url.rpartition(":")[2])
    limit = "limit_req_zone $binary_remote_addr zone=all:1m rate=30r/s;"

    with nginx(tmp_path / "n", port, http=limit, location="limit_req zone=all;") as at:
        outcome = await slow.run(
            providers=("aimlapi",), terms=behind(slow, at, **terms)
        )

    assert statuses(outcome) == {Status.SUCCEEDED: 60}
    check_all_bought_once(slow, shop, 60)
    assert not any("does not answer" in notice for notice in slow.notices)


async def test_what_haproxy_drops_from_its_queue_is_a_throttle(
    slow: Desk, shop: Shop, tmp_path: Path
) -> None:
    slow.write(*rows(12))
    port = int(shop.url.rpartition(":")[2])

    with haproxy(tmp_path / "h", port, maxconn=4) as at:
        terms = behind(slow, at, rpm=None, concurrency=8)
        outcome = await slow.run(providers=("aimlapi",), terms=terms)

    assert statuses(outcome) == {Status.SUCCEEDED: 12}
    check_all_bought_once(slow, shop, 12)


async def test_a_503_that_took_as_long_as_a_purchase_may_have_been_one(
    slow: Desk, shop: Shop
) -> None:
    """It was billed, and the gateway's page says nothing of that."""
    slow.write(*rows(6))
    sells = shop.sells(CREDITS)

    def sell_or_lose(request: Request) -> Answer:
        answer = sells(request)
        is_third = len(shop.buys) == 3
        return Answer(503, b"<html>503 no</html>", HTML) if is_third else answer

    shop.buy = sell_or_lose
    outcome = await slow.run(terms=slow.wide("aimlapi", 3))

    assert statuses(outcome) == {Status.SUCCEEDED: 6}
    assert slow.totals().at_risk > 0
    slow.check_money()


async def test_a_quick_503_while_nothing_has_succeeded_may_be_a_lost_purchase(
    slow: Desk, shop: Shop
) -> None:
    shop.takes_s = 0.0
    shop.buy = lambda _: Answer(503, b"<html>503 no</html>", HTML)

    outcome = await slow.run(on_unknown="hold")

    assert statuses(outcome) == {Status.HELD: 1}
    assert slow.totals().at_risk > 0


async def test_a_gateway_that_refuses_the_last_row_alone_does_not_fail_that_row(
    slow: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its page says nothing of the row, and whether it was bought nobody knows."""
    monkeypatch.setattr(limiter, "SILENT_S", 0.01)
    monkeypatch.setattr(limiter, "LONGEST_S", 0.02)
    slow.write(*rows(6))
    sells = shop.sells(CREDITS)
    refusals = 3 * OWN_THROTTLES

    def sell_or_refuse(request: Request) -> Answer:
        nonlocal refusals
        if request.body["prompt"] != "row 2" or not refusals:
            return sells(request)
        refusals -= 1
        shop.takes_s = 0.0
        return Answer(503, b"<html>503 no</html>", HTML)

    def sell(request: Request) -> Answer:
        shop.takes_s = TAKES_S
        return sell_or_refuse(request)

    shop.buy = sell
    outcome = await slow.run(terms=slow.wide("aimlapi", 2))

    # Nothing else is left that could show what its page means: so the row is held.
    assert statuses(outcome) == {Status.SUCCEEDED: 5, Status.HELD: 1}
    slow.check_money()
