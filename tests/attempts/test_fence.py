"""An unexpected fault in one row's own work ends that row, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from batchgen.attempts import image_check as check_module
from batchgen.images import ImageFacts, inspect
from batchgen.model import Call, Delivered, Reply, Status
from batchgen.planning import planner
from batchgen.planning.plan_entries import plan_entry
from batchgen.planning.routing import Router
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.base import Endpoint
from batchgen.references import ReferenceCache
from batchgen.runner.config import RunResult
from tests.runs.desk import Desk, rows, statuses
from tests.runs.shop import PNG, Answer, Request, Shop

pytestmark = pytest.mark.anyio

CREDITS = 178_975
BAD = b"this one breaks the reader"


class Surprise(Exception):
    """What nobody expected."""


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    shop.buy = shop.sells(CREDITS)
    return desk


def check(desk: Desk, outcome: RunResult, at: int = 2) -> dict[str, Any]:
    """Check that one row of six failed by a fault, and return it."""
    assert statuses(outcome) == {Status.SUCCEEDED: 5, Status.FAILED: 1}
    row = desk.table()[at]
    assert (row["status"], row["error"]) == ("failed", "internal")
    assert "Surprise" in row["message"]
    return row


async def test_a_request_that_cannot_be_built_buys_nothing(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = AimlApi.encode

    def encode(self: AimlApi, request: Any, *others: Any) -> Call:
        if request.prompt == "row 2":
            raise Surprise
        return whole(self, request, *others)

    monkeypatch.setattr(AimlApi, "encode", encode)
    desk.write(*rows(6))

    outcome = await desk.run(terms=desk.wide("aimlapi", 2))

    row = check(desk, outcome)
    assert row["at_risk_attempts"] == 0
    assert len(shop.buys) == 5
    desk.check_money()


async def test_a_reply_that_breaks_the_reader_is_an_unknown_outcome(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = AimlApi.decode

    def decode(self: AimlApi, reply: Reply) -> Delivered:
        if "2.png" in str(reply.body):
            raise Surprise
        return whole(self, reply)

    monkeypatch.setattr(AimlApi, "decode", decode)
    shop.buy = lambda request: shop.sells(CREDITS, f"{request.body['prompt'][-1]}.png")(
        request
    )
    desk.write(*rows(6))

    outcome = await desk.run(terms=desk.wide("aimlapi", 2))

    row = check(desk, outcome)
    assert (row["at_risk_attempts"], row["cost_usd"]) == (1, None)
    assert len(shop.buys) == 6
    desk.check_money()


async def test_an_image_that_breaks_the_reader_is_fetched_by_the_next_run(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(data: bytes) -> ImageFacts:
        if data.endswith(BAD):
            raise Surprise
        return inspect(data)

    monkeypatch.setattr(check_module, "inspect", look)
    desk.write(*rows(6))

    def image(request: Request) -> Answer:
        body = PNG + BAD if request.name == "3.png" else PNG
        return Answer(200, body, {"content-type": "image/png"})

    shop.image = image
    outcome = await desk.run(terms=desk.wide("aimlapi", 1))
    check(desk, outcome)
    desk.check_money()
    monkeypatch.undo()
    shop.image = lambda _: Answer(200, PNG, {"content-type": "image/png"})

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 6}
    assert len(shop.buys) == 6
    desk.check_money()


async def test_a_task_whose_answer_breaks_the_reader_is_asked_by_the_next_run(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.provider = "foxapi"
    shop.buy = shop.accept
    whole = type(desk.fox).decode_poll

    def decode_poll(self: Any, reply: Reply, endpoint: Endpoint) -> Any:
        if "task-3" in str(reply.body):
            raise Surprise
        return whole(self, reply, endpoint)

    monkeypatch.setattr(type(desk.fox), "decode_poll", decode_poll)
    desk.write(*rows(6))
    outcome = await desk.run(terms=desk.wide("foxapi", 1))
    check(desk, outcome)
    monkeypatch.undo()

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 6}
    assert len(shop.buys) == 6
    desk.check_money()


async def test_a_reference_that_breaks_its_reader_ends_one_row(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.provider = "apiai"
    desk.write_columns(
        prompt=rows(6), references=[f"{number}.png" for number in range(6)]
    )
    for number in range(6):
        (desk.folder / f"{number}.png").write_bytes(PNG)
    whole = ReferenceCache.attachment

    async def attachment(self: ReferenceCache, reference: str, *others: Any) -> Any:
        if reference == "2.png":
            raise Surprise
        return await whole(self, reference, *others)

    monkeypatch.setattr(ReferenceCache, "attachment", attachment)

    def sell(request: Request) -> Answer:
        shop.billed_nano += 50_000_000
        return Answer(200, PNG, {"content-type": "image/png"})

    shop.buy = sell

    outcome = await desk.run()

    check(desk, outcome)
    assert len(shop.buys) == 5


async def test_a_row_that_cannot_be_judged_is_invalid(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(row: Any, router: Router) -> Any:
        if row.position == 2 and row.request is not None:
            raise Surprise
        return plan_entry(row, router)

    monkeypatch.setattr(planner, "plan_entry", judge)
    desk.write(*rows(6))

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 5, Status.INVALID: 1}
    assert "Surprise" in desk.table()[2]["message"]


async def test_three_rows_in_turn_that_end_by_a_fault_stop_the_provider(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(self: AimlApi, reply: Reply) -> Delivered:
        raise Surprise

    monkeypatch.setattr(AimlApi, "decode", decode)
    desk.write(*rows(20))

    outcome = await desk.run(terms=desk.wide("aimlapi", 16))

    assert statuses(outcome) == {Status.FAILED: 3, Status.PENDING: 17}
    assert len(shop.buys) == 3
    desk.check_money()


async def test_what_a_fault_leaves_behind_holds_up_no_other(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places, rate and money that a row held are free again: each is needed here."""
    whole = AimlApi.encode
    broken: Sequence[str] = [f"row {index}" for index in range(0, 12, 2)]

    def encode(self: AimlApi, request: Any, *others: Any) -> Call:
        if request.prompt in broken:
            raise Surprise
        return whole(self, request, *others)

    monkeypatch.setattr(AimlApi, "encode", encode)
    desk.write(*rows(12))
    terms = desk.wide("aimlapi", 1)
    terms["aimlapi"] = replace(terms["aimlapi"], rpm=600.0)

    outcome = await desk.run(terms=terms, max_failures=None, max_cost=Decimal(2))

    assert statuses(outcome) == {Status.SUCCEEDED: 6, Status.FAILED: 6}
    desk.check_money()
