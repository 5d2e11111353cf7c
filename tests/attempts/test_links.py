"""Links that do not work, not yet, or not for everybody: the image was paid for."""

from __future__ import annotations

import base64
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from batchgen.attempts import fetch as fetching
from batchgen.model import Delivered, Link, State, Status, to_nano
from batchgen.output.archive import Archive
from batchgen.providers.aimlapi import AimlApi
from batchgen.runner.handle import FROM_CODE
from tests.daemons import free_port
from tests.runs.desk import AGREED, Desk, statuses
from tests.runs.shop import (
    PICTURE,
    PNG,
    Answer,
    Request,
    Shop,
    as_json,
    draw_png,
    in_turn,
    refused,
)

pytestmark = pytest.mark.anyio

CREDITS = 100_000  # five cents
GONE = refused(404, "no such image")
SOON = Answer(200, b"<html>soon</html>", {"content-type": "text/html"})
URI = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    shop.buy = shop.sells(CREDITS)
    return desk


def links(*urls: str, credits_used: int = CREDITS) -> Answer:
    data = [{"url": url} for url in urls]
    return as_json({"data": data, "meta": {"usage": {"credits_used": credits_used}}})


async def test_a_link_whose_port_refuses_ends_as_lost_beside_others_that_download(
    desk: Desk, shop: Shop
) -> None:
    desk.write("a", "b", "c")
    dead = f"http://127.0.0.1:{free_port()}/1.png"
    shop.buy = in_turn(links(dead), shop.sells(CREDITS))

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 2, Status.FAILED: 1}
    row = desk.table()[0]
    assert (row["error"], row["cost_usd"]) == ("link_lost", AGREED)
    assert "127.0.0.1" in row["message"]
    # A machine that refuses is there: the network is not to blame.
    shop.requests.clear()
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 2, Status.FAILED: 1}
    assert not shop.buys


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
async def test_a_link_with_a_port_that_cannot_be_is_lost_at_once(
    desk: Desk, shop: Shop, port: str
) -> None:
    shop.buy = lambda _: links(f"http://127.0.0.1:{port}/1.png")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert desk.row()["error"] == "link_lost"
    assert "port" in desk.row()["message"].lower()
    assert not desk.notices


# -- not yet


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(GONE, id="404"),
        pytest.param(refused(403), id="403"),
        pytest.param(refused(401), id="401"),
        pytest.param(refused(410), id="410"),
        pytest.param(refused(503), id="503"),
        pytest.param(SOON, id="no-image-yet"),
    ],
)
async def test_a_link_that_does_not_work_yet_is_waited_for(
    desk: Desk, shop: Shop, before: Answer
) -> None:
    shop.image = in_turn(*[before] * 8, PICTURE)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.buys), desk.row()["cost_usd"]) == (1, AGREED)
    assert sum("cannot be downloaded yet" in notice for notice in desk.notices) == (
        before is not refused(503)
    )
    desk.check_money()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(GONE, "link_lost", id="404"),
        pytest.param(refused(500), "link_lost", id="500"),
        pytest.param(SOON, "image_rejected", id="html"),
    ],
)
async def test_a_link_that_never_works_ends_as_lost_and_is_tried_by_each_later_run(
    desk: Desk, shop: Shop, answer: Answer, error: str
) -> None:
    shop.image = lambda _: answer
    outcome = await desk.run()
    assert statuses(outcome) == {Status.FAILED: 1}
    assert (desk.row()["error"], desk.row()["cost_usd"]) == (error, AGREED)
    downloads = len(shop.downloads)
    table = (desk.out / "results.parquet").stat().st_mtime_ns

    assert statuses(await desk.run()) == {Status.FAILED: 1}

    assert len(shop.downloads) == downloads + 1
    assert (desk.out / "results.parquet").stat().st_mtime_ns == table
    shop.image = lambda _: PICTURE
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    assert [attempt.state for attempt in desk.attempts()] == [State.STORED]
    assert (len(shop.buys), desk.row()["cost_usd"]) == (1, AGREED)
    assert desk.row()["error"] is None
    desk.check_money()


async def test_retry_tries_the_old_link_before_it_buys(desk: Desk, shop: Shop) -> None:
    shop.image = lambda _: GONE
    await desk.run()
    shop.image = lambda _: PICTURE
    assert desk.retry("failed") == 1

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.buys), desk.row()["cost_usd"]) == (1, AGREED)
    desk.check_money()


async def test_retry_buys_again_only_if_the_old_link_fails_once_more(
    desk: Desk, shop: Shop
) -> None:
    shop.image = lambda request: GONE if request.name == "1.png" else PICTURE
    await desk.run()
    assert desk.retry("failed") == 1
    shop.requests.clear()
    shop.buy = shop.sells(CREDITS, "new.png")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    order = [entry.name for entry in shop.requests]
    assert order.index("1.png") < order.index("generations") < order.index("new.png")
    assert desk.row()["cost_usd"] == 2 * AGREED
    desk.check_money()


async def test_retry_buys_again_where_nobody_answers_at_the_old_link(
    desk: Desk, shop: Shop
) -> None:
    shop.image = lambda request: GONE if request.name == "1.png" else PICTURE
    await desk.run()
    assert desk.retry("failed") == 1
    shop.image = lambda request: Answer(0) if request.name == "1.png" else PICTURE
    shop.buy = shop.sells(CREDITS, "new.png")

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    desk.check_money()


async def test_retry_of_a_task_asks_for_a_fresh_link_before_it_buys(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "foxapi"
    shop.buy, shop.poll = shop.accept, shop.linked("old.png")
    shop.image = lambda request: GONE if request.name == "old.png" else PICTURE
    await desk.run()
    assert desk.row()["error"] == "link_lost"
    assert desk.retry("failed") == 1
    shop.poll = shop.linked("new.png")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    desk.check_money()


async def test_an_image_that_is_lost_beside_stored_ones_is_tried_again_before_bought(
    desk: Desk, shop: Shop
) -> None:
    desk.write_columns(prompt=["a"], n=[2])
    shop.buy = in_turn(shop.sells(CREDITS, "1.png"), shop.sells(CREDITS, "2.png"))
    shop.image = lambda request: GONE if request.name == "2.png" else PICTURE
    await desk.run()
    assert desk.row()["status"] == "failed"
    assert desk.retry("failed") == 1
    shop.image = lambda _: PICTURE

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.buys), len(desk.row()["files"])) == (2, 2)
    desk.check_money()


async def test_waiting_for_a_link_holds_up_no_other_row(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_ROUNDS", 1_000_000)
    desk.write(*(f"cup {number}" for number in range(20)))
    lost: set[str] = set()

    def image(request: Request) -> Answer:
        # Some work once every row was bought: with one place in flight, and three
        # attempts under way for each, that is never if who waits counts.
        is_late = request.name in {"1.png", "2.png", "3.png", "4.png"}
        if is_late and len(shop.buys) < 20:
            lost.add(request.name)
            return GONE
        return PICTURE

    shop.image = image

    with anyio.fail_after(60):
        outcome = await desk.run()

    assert len(lost) == 4
    assert statuses(outcome) == {Status.SUCCEEDED: 20}
    assert len(shop.buys) == 20


async def test_a_stop_is_heeded_while_a_link_is_waited_for(
    desk: Desk, shop: Shop
) -> None:
    def image(request: Request) -> Answer:
        if len(shop.downloads) == 4:
            desk.handle.stop()
        return GONE

    shop.image = image

    outcome = await desk.run()

    assert outcome.stop_reason == FROM_CODE
    assert statuses(outcome) == {Status.PENDING: 1}
    assert [attempt.state for attempt in desk.attempts()] == [State.DELIVERED]
    assert len(shop.downloads) < 8
    shop.image = lambda _: PICTURE
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1


# -- where to, and with which key


@pytest.mark.parametrize("link", ["/images/1.png", "images/1.png", "//{host}/images/1"])
async def test_a_relative_link_is_one_of_the_provider(
    desk: Desk, shop: Shop, link: str
) -> None:
    host = shop.url.removeprefix("http://")
    shop.billed_nano = 50_000_000
    shop.buy = lambda _: links(link.format(host=host))

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}


async def test_a_link_that_asks_for_the_key_gets_it_also_in_a_later_run(
    desk: Desk, shop: Shop
) -> None:
    shop.image = lambda _: refused(401)
    await desk.run()
    assert desk.row()["error"] == "link_lost"
    keys = {download.headers.get("authorization") for download in shop.downloads}
    assert keys == {None, "Bearer key-of-aimlapi"}
    shop.image = lambda request: (
        PICTURE if "authorization" in request.headers else refused(403)
    )

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}


async def test_a_data_uri_in_place_of_a_link_is_the_image(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "foxapi"
    shop.buy = shop.accept
    shop.poll = lambda request: as_json(
        {"id": request.name, "status": "completed", "results": [{"url": URI}]}
    )

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    assert shop.downloads == []
    assert (desk.out / "run.db").stat().st_size > 0


@pytest.mark.parametrize("text", [base64.b64encode(PNG), URI.encode()])
async def test_base64_text_where_an_image_belongs_is_decoded(
    desk: Desk, shop: Shop, text: bytes
) -> None:
    shop.image = lambda _: Answer(200, text, {"content-type": "image/png"})

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    assert desk.row()["files"][0]["size_bytes"] == len(PNG)


# -- other shapes of a delivery


async def test_links_beside_base64_are_fetched_and_both_are_stored(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "foxapi"
    shop.buy = shop.accept
    desk.write_columns(prompt=["a"], n=[1])
    image = base64.b64encode(PNG).decode()
    usage = {"usage": {"credits_used": CREDITS}}
    desk.provider = "aimlapi"

    def buy(request: Request) -> Answer:
        shop.billed_nano += 50_000_000
        data = [{"url": f"{shop.url}/images/extra.png"}, {"b64_json": image}]
        return as_json({"data": data, "meta": usage})

    shop.buy = buy

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    names = [path.name for path in (desk.out / "kept").iterdir()]
    assert names == ["1-2.png"]
    assert (desk.out / "kept" / names[0]).read_bytes() == PNG
    assert len(shop.downloads) == 1
    assert [
        notice for notice in desk.notices if "more images than were asked for" in notice
    ]
    desk.check_money()


async def test_more_images_than_asked_for_may_have_been_charged(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "apiai"
    image = base64.b64encode(PNG).decode()

    def buy(request: Request) -> Answer:
        shop.billed_nano += 2 * to_nano(AGREED)
        return as_json({"data": [{"b64_json": image}, {"b64_json": image}]})

    shop.buy = buy

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}

    row = desk.row()
    assert (row["cost_usd"], row["at_risk_usd"]) == (AGREED, AGREED)
    assert row["at_risk_attempts"] == 0
    desk.check_money()


async def test_a_fresh_link_is_that_of_the_same_image_where_more_came(
    desk: Desk, shop: Shop
) -> None:
    desk.provider, shop.buy = "foxapi", shop.accept
    shop.poll = shop.linked("draft.png", "final.png")
    final = in_turn(*[GONE] * 5, PICTURE)
    draft = Answer(200, draw_png((16, 12)), {"content-type": "image/png"})
    shop.image = lambda request: (
        final(request) if request.name == "final.png" else draft
    )

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}

    [file] = desk.row()["files"]
    assert file["size_bytes"] == len(PNG)


async def test_more_links_than_asked_for_are_kept(desk: Desk, shop: Shop) -> None:
    shop.buy = shop.sells(CREDITS, "1.png", "2.png", "3.png")

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}

    names = {path.name for path in (desk.out / "kept").iterdir()}
    assert names == {"1-2.png", "1-3.png"}
    assert desk.row()["cost_usd"] == Decimal("0.05")
    desk.check_money()


async def test_a_link_of_a_models_text_never_gets_the_key_also_not_in_a_later_run(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Link(f"{shop.url}/images/1.png", from_text=True)
    delivered = Delivered(images=(link,), usage={"credit": Decimal(CREDITS)})
    monkeypatch.setattr(AimlApi, "decode", lambda _, reply: delivered)
    shop.image = lambda _: refused(401)
    assert statuses(await desk.run()) == {Status.FAILED: 1}
    assert desk.retry("failed") == 1

    await desk.run()
    await desk.run()

    assert len(shop.downloads) > 3
    assert not [
        download for download in shop.downloads if "authorization" in download.headers
    ]


async def test_a_link_beside_base64_is_fetched_by_a_later_run(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    capabilities = replace(AimlApi.capabilities, images_per_request=2)
    monkeypatch.setattr(AimlApi, "capabilities", capabilities)
    desk.write_columns(prompt=["a"], n=[2])
    text = base64.b64encode(PNG).decode()

    def buy(request: Request) -> Answer:
        shop.billed_nano += 50_000_000
        data = [{"url": f"{shop.url}/images/1.png"}, {"b64_json": text}]
        return as_json({"data": data, "meta": {"usage": {"credits_used": CREDITS}}})

    shop.buy, shop.image = buy, lambda _: Answer(0)
    assert statuses(await desk.run()) == {Status.PENDING: 1}
    assert [attempt.state for attempt in desk.attempts()] == [State.DELIVERED]
    desk.check_money()
    shop.image = lambda _: PICTURE

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}

    assert [file["image"] for file in desk.row()["files"]] == [1, 2]
    assert (len(shop.buys), desk.row()["cost_usd"]) == (1, AGREED)
    desk.check_money()
    with Archive(desk.out / "images.zip", 0) as archive:
        # What a kill leaves of them costs as much as all that were delivered.
        assert [member.tag.images for member in archive.recover()] == [2, 2]


async def test_a_link_beside_base64_that_is_no_image_is_fetched_and_the_row_says_so(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    capabilities = replace(AimlApi.capabilities, images_per_request=2)
    monkeypatch.setattr(AimlApi, "capabilities", capabilities)
    desk.write_columns(prompt=["a"], n=[2])
    text = base64.b64encode(b"<svg/>").decode()

    def buy(request: Request) -> Answer:
        shop.billed_nano += 50_000_000
        data = [{"b64_json": text}, {"url": f"{shop.url}/images/2.png"}]
        return as_json({"data": data, "meta": {"usage": {"credits_used": CREDITS}}})

    shop.buy = buy

    assert statuses(await desk.run()) == {Status.FAILED: 1}

    row = desk.row()
    assert row["error"] == "image_rejected"
    assert row["message"].endswith("kept as kept/1-1.svg")
    assert [file["image"] for file in row["files"]] == [2]
    assert len(shop.buys) == 1
    desk.check_money()


async def test_a_link_whose_host_stays_broken_is_asked_for_anew(
    desk: Desk, shop: Shop
) -> None:
    desk.provider, shop.buy = "foxapi", shop.accept
    shop.poll = in_turn(shop.linked("old.png"), shop.linked("new.png"))
    shop.image = lambda request: refused(503) if request.name == "old.png" else PICTURE

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}

    assert (len(shop.buys), shop.downloads[-1].name) == (1, "new.png")


async def test_retry_does_not_wait_for_the_end_of_an_outage_of_the_links(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*(f"cup {number}" for number in range(6)))
    shop.image = lambda _: GONE
    assert statuses(await desk.run()) == {Status.FAILED: 6}
    assert desk.retry("failed") == 6
    old = {download.name for download in shop.downloads}
    shop.image = lambda request: Answer(0) if request.name in old else PICTURE

    with anyio.fail_after(60):
        outcome = await desk.run(terms=desk.wide("aimlapi", 6))

    assert statuses(outcome) == {Status.SUCCEEDED: 6}
    assert len(shop.buys) == 12
    desk.check_money()
