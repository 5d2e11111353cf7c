"""An upload that its provider lost is forgotten, and made anew before buying again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from batchgen.model import Status, Terms
from batchgen.runner.folder import open_folder
from tests.runs.desk import Desk, statuses
from tests.runs.shop import Answer, Request, Shop, as_json, refused

pytestmark = pytest.mark.anyio

WORDS = "image_urls[0]: failed to download image (404)"


@pytest.fixture(autouse=True)
def logo(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 90).save(tmp_path / "logo.png")


@pytest.fixture(autouse=True)
def lost(shop: Shop) -> set[str]:
    """Let the shop refuse purchases that name one of these links."""
    links: set[str] = set()
    accept = shop.accept

    def buy(request: Request) -> Answer:
        if links.intersection(request.body.get("image_urls", ())):
            return refused(400, WORDS)
        return accept(request)

    shop.buy = buy
    return links


def upload_url(shop: Shop, number: int) -> str:
    return f"{shop.url}/kept/{number}.png"


def wanting(desk: Desk, rows: Sequence[str], reference: str = "logo.png") -> None:
    desk.write_columns(prompt=rows, references=[reference] * len(rows))


async def test_it_is_uploaded_anew_once_for_all_rows_that_share_it(
    desk: Desk, shop: Shop, lost: set[str]
) -> None:
    wanting(desk, ["first"])
    await desk.run()
    lost.add(upload_url(shop, 1))
    wanting(desk, ["first", *(f"cup {number}" for number in range(12))])

    outcome = await desk.run(terms=desk.wide("foxapi", 4))

    assert statuses(outcome) == {Status.SUCCEEDED: 13}
    assert len(shop.uploads) == 2
    urls = [tuple(buy.body["image_urls"]) for buy in shop.buys]
    assert urls.count((upload_url(shop, 2),)) == 12
    desk.check_money()


@pytest.mark.parametrize(
    "message",
    [
        "Invalid image_url: expired",
        "The picture is bad (code: invalid_image_url)",
        "reference image url has expired",
        "Unable to fetch the file from the given URL",
        "Image download failed",
        "the image could not be downloaded",
        "\u56fe\u7247\u4e0b\u8f7d\u5931\u8d25",
    ],
)
@pytest.mark.parametrize("status", [400, 404, 422, 500])
async def test_many_words_say_so(
    message: str, status: int, desk: Desk, shop: Shop
) -> None:
    accept = shop.accept

    def buy(request: Request) -> Answer:
        is_first = request.body["image_urls"] == [upload_url(shop, 1)]
        return refused(status, message) if is_first else accept(request)

    shop.buy = buy
    wanting(desk, ["a"])

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert shop.buys[-1].body["image_urls"] == [upload_url(shop, 2)]
    assert desk.row()["attempts"] == len(shop.buys) == 2
    assert desk.attempts()[0].error in ("upload_lost", "provider_down")


async def test_an_image_that_can_never_be_fetched_is_blamed_on_its_row(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = lambda _: refused(400, WORDS)
    wanting(desk, ["a"])

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert desk.row()["error"] == "request_invalid"
    assert WORDS in desk.row()["message"]
    assert (len(shop.uploads), len(shop.buys)) == (3, 3)
    assert shop.billed_nano == 0


async def test_the_jobs_limit_of_attempts_holds(desk: Desk, shop: Shop) -> None:
    shop.buy = lambda _: refused(400, WORDS)
    wanting(desk, ["a"])

    await desk.run(max_attempts=2)

    assert len(shop.buys) == 2


async def test_a_later_run_uploads_anew_what_was_forgotten(
    desk: Desk, shop: Shop, lost: set[str]
) -> None:
    lost.update(upload_url(shop, number) for number in range(1, 4))
    wanting(desk, ["a"])
    await desk.run()

    assert desk.retry("failed") == 1
    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert shop.buys[-1].body["image_urls"] == [upload_url(shop, 4)]


@pytest.mark.parametrize(
    ("message", "reference"),
    [
        pytest.param("prompt is required", "logo.png", id="other words"),
        pytest.param(WORDS, "https://pictures.example/a.png", id="the user's link"),
    ],
)
async def test_nothing_else_is_bought_again(
    message: str, reference: str, desk: Desk, shop: Shop
) -> None:
    shop.buy = lambda _: refused(400, message)
    wanting(desk, ["a"], reference)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert len(shop.buys) == 1
    assert len(shop.uploads) <= 1


# -- tasks


Fail = Callable[[Request], Answer]


@pytest.fixture
def failing(shop: Shop) -> None:
    """Let the first task end since its reference cannot be fetched."""

    def poll(request: Request) -> Answer:
        if request.name != "task-1":
            return shop.complete(request)
        error = {"code": "invalid_image_url", "message": "no image there"}
        return as_json({"id": request.name, "status": "failed", "error": error})

    shop.poll = poll


def free(desk: Desk) -> dict[str, Terms]:
    terms = desk.job().terms
    return {**terms, "foxapi": replace(terms["foxapi"], failed_tasks="free")}


async def test_a_failed_task_that_is_free_is_bought_again(
    desk: Desk, shop: Shop, failing: None
) -> None:
    wanting(desk, ["a"])

    outcome = await desk.run(terms=free(desk))

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert [buy.body["image_urls"] for buy in shop.buys] == [
        [upload_url(shop, 1)],
        [upload_url(shop, 2)],
    ]


async def test_one_that_may_be_charged_is_bought_again_within_the_jobs_risk(
    desk: Desk, shop: Shop, failing: None
) -> None:
    wanting(desk, ["a"])

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert shop.buys[1].body["image_urls"] == [upload_url(shop, 2)]
    assert desk.row()["at_risk_attempts"] == 1
    desk.check_money()


async def test_without_that_risk_its_row_ends_and_the_upload_is_forgotten(
    desk: Desk, shop: Shop, failing: None
) -> None:
    wanting(desk, ["a"])

    assert statuses(await desk.run(on_unknown="hold")) == {Status.FAILED: 1}
    wanting(desk, ["a", "b"])
    outcome = await desk.run(on_unknown="hold")

    assert statuses(outcome) == {Status.FAILED: 1, Status.SUCCEEDED: 1}
    assert desk.table()[0]["at_risk_attempts"] == 1
    assert shop.buys[1].body["image_urls"] == [upload_url(shop, 2)]
    desk.check_money()


async def test_after_a_restart_whatever_was_uploaded_before_is_forgotten(
    desk: Desk, shop: Shop, failing: None
) -> None:
    wanting(desk, ["a"])
    await desk.run(terms=free(desk))
    with open_folder(desk.out, None, None) as folder, folder.ledger.transaction():
        # As after a kill behind ACCEPTED: nobody knows any more what it named.
        run = folder.ledger._connection.execute
        run("DELETE FROM images")
        run("DELETE FROM attempts WHERE attempt_id = 2")
        run(
            "UPDATE attempts SET state = 'accepted', charge = NULL, cost = NULL,"
            " again = NULL, error = NULL, message = NULL, ended_at = NULL"
        )
        run("UPDATE rows SET status = 'pending'")
        # The only upload is the one from before it left.
        run(
            "UPDATE uploads SET link = ?, good_until = good_until - 60000000",
            [upload_url(shop, 1)],
        )

    outcome = await desk.run(terms=free(desk))

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert shop.buys[-1].body["image_urls"] == [upload_url(shop, len(shop.uploads))]
    assert len(shop.uploads) == 3
