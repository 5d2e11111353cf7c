"""Images that come with the reply: their bytes exist nowhere else."""

from __future__ import annotations

import base64
import zipfile
from decimal import Decimal

import pytest

from batchgen.model import State, Status
from batchgen.output import ARCHIVE
from batchgen.output.archive import Archive
from batchgen.providers.aimlapi import AimlApi
from batchgen.runner.folder import open_folder
from tests.prices import at
from tests.runs.desk import Desk, statuses
from tests.runs.shop import PNG, Answer, Request, Shop, as_json, draw_png

pytestmark = pytest.mark.anyio

CREDITS = 178_975
NANO = 89_487_500
DEAR = 10 * CREDITS


def inline(shop: Shop, data: bytes, credits_used: int = CREDITS) -> None:
    """Let the shop answer each purchase with these bytes as base64."""

    def respond(request: Request) -> Answer:
        shop.billed_nano += credits_used * 500
        text = base64.b64encode(data).decode()
        usage = {"usage": {"credits_used": credits_used}}
        return as_json({"data": [{"b64_json": text}], "meta": usage})

    shop.buy = respond


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    inline(shop, PNG)
    return desk


async def test_an_image_in_the_reply_is_stored_with_its_charge(
    desk: Desk, shop: Shop
) -> None:
    desk.write("a", "b", ids=["cup", "lamp"])

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 2}
    assert shop.downloads == []
    with zipfile.ZipFile(desk.out / ARCHIVE) as archive:
        assert archive.read("cup.png") == archive.read("lamp.png") == PNG
    assert [row["cost_usd"] for row in desk.table()] == [Decimal("0.0894875")] * 2
    assert all(row["latency_s"] is not None for row in desk.table())
    desk.check_money()


async def test_a_large_image_in_the_reply_is_looked_at_elsewhere(
    desk: Desk, shop: Shop
) -> None:
    big = draw_png((900, 900)) + bytes(300_000)
    inline(shop, big)

    await desk.run()

    (file,) = desk.row()["files"]
    assert (file["size_bytes"], file["width_px"]) == (len(big), 900)


async def test_bytes_in_the_reply_that_are_no_image_fail_with_their_cost(
    desk: Desk, shop: Shop
) -> None:
    inline(shop, b"<html>soon</html>", credits_used=DEAR)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    row = desk.row()
    assert (row["error"], row["cost_usd"], row["cost_basis"]) == (
        "image_rejected",
        Decimal("0.894875"),
        "reported",
    )
    assert [notice for notice in desk.notices if "more than its ceiling" in notice]
    assert len(shop.buys) == 1
    desk.check_money()


async def test_a_charge_above_the_ceiling_is_told_for_an_inline_image_too(
    desk: Desk, shop: Shop
) -> None:
    inline(shop, PNG, credits_used=DEAR)

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}

    assert [notice for notice in desk.notices if "more than its ceiling" in notice]
    desk.check_money()


async def test_an_image_that_was_written_before_a_kill_is_not_bought_again(
    desk: Desk, shop: Shop
) -> None:
    await desk.run()
    with open_folder(desk.out, None, None) as folder:
        # What a kill between the archive's sync and the ledger's commit leaves.
        run = folder.ledger._connection.execute
        run("UPDATE attempts SET state = 'sent', charge = NULL, cost = NULL")
        run("DELETE FROM images")
        run("UPDATE rows SET status = 'pending'")
        run("UPDATE meta SET value = 0 WHERE name = 'archive_end'")
        run("UPDATE meta SET value = 'stale' WHERE name = 'outputs'")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    assert [attempt.state for attempt in desk.attempts()] == [State.STORED]
    assert desk.row()["cost_usd"] == Decimal("0.0894875")
    with zipfile.ZipFile(desk.out / ARCHIVE) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 2
    desk.check_money()


async def test_a_run_with_nothing_to_do_touches_neither_zip_nor_table(
    desk: Desk, shop: Shop
) -> None:
    await desk.run()
    paths = [desk.out / ARCHIVE, desk.out / "results.parquet"]
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in paths]

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}

    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in paths] == before
    assert len(shop.buys) == 1


async def test_the_archive_lists_only_rows_that_the_manifest_holds(
    desk: Desk, shop: Shop
) -> None:
    desk.write("a", "b", ids=["cup", "lamp"])
    await desk.run()
    size = (desk.out / ARCHIVE).stat().st_size
    desk.write("b", ids=["lamp"])

    await desk.run()

    with zipfile.ZipFile(desk.out / ARCHIVE) as archive:
        assert archive.namelist() == ["metadata.jsonl", "lamp.png"]
    totals = desk.totals()
    assert (totals.spent, totals.superseded) == (NANO, NANO)
    assert (desk.out / ARCHIVE).stat().st_size > size / 2
    desk.check_money()
    with Archive(desk.out / ARCHIVE, 0) as whole:
        assert len(whole.recover()) == 2


async def test_of_a_metered_charge_that_is_not_said_the_least_is_spent(
    desk: Desk, shop: Shop
) -> None:
    def respond(request: Request) -> Answer:
        shop.billed_nano += CREDITS * 500
        return as_json({"data": [{"b64_json": base64.b64encode(PNG).decode()}]})

    shop.buy = respond

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}

    row = desk.row()
    price = at(AimlApi.prices, "1K")
    assert (row["cost_usd"], row["cost_basis"]) == (price.floor, "price_list")
    assert row["at_risk_usd"] == price.ceiling - price.floor
    assert row["at_risk_attempts"] == 0
    desk.check_money()


async def test_an_image_that_is_rejected_keeps_the_id_of_its_reply(
    desk: Desk, shop: Shop
) -> None:
    def respond(request: Request) -> Answer:
        shop.billed_nano += CREDITS * 500
        text = base64.b64encode(b"<html>").decode()
        usage = {"usage": {"credits_used": CREDITS}}
        reply = {"data": [{"b64_json": text}], "meta": usage}
        return as_json(reply, x_inference_id="call-7")

    shop.buy = respond

    await desk.run()

    assert (desk.row()["error"], desk.row()["request_id"]) == (
        "image_rejected",
        "call-7",
    )
