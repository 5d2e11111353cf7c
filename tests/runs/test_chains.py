"""Rows that build on rows: bought in order, from the image of the other row."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import anyio
import pytest

from batchgen.admission.children import queue_children
from batchgen.admission.run_context import Run
from batchgen.attempts import store
from batchgen.checks.dry_run import ALL_ROWS, check_job
from batchgen.model import Status
from batchgen.providers import PROVIDERS
from batchgen.runner.access import prices_of
from batchgen.runner.folder import open_folder, read_ledger
from batchgen.runner.retry_marks import SelectedRow, mark_rows
from batchgen.runner.row_causes import causes_among
from tests.runs.desk import Desk, statuses
from tests.runs.shop import Answer, Shop, draw_png, in_turn, refused

pytestmark = pytest.mark.anyio

BOTH = ("aimlapi", "foxapi")
HERO, BANNER, STORY = "hero mug", "its banner", "its story"


def image_of(task: str) -> bytes:
    """Return an image that tells tasks apart."""
    number = int(task.removeprefix("task-").removesuffix(".png"))
    return draw_png((8 + number, 6))


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.image = lambda request: Answer(
        200, image_of(request.name), {"content-type": "image/png"}
    )
    return shop


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A hero below its banner, and a story from the banner above both."""
    write(desk, story="row:banner", banner="row:hero", hero="")
    return desk


def write(desk: Desk, **references: str) -> None:
    prompts = {"hero": HERO, "banner": BANNER, "story": STORY}
    desk.write_columns(
        id=[*references],
        prompt=[prompts.get(name, name) for name in references],
        references=[*references.values()],
    )


def bought(shop: Shop) -> list[str]:
    return [request.prompt for request in shop.buys]


async def test_rows_are_bought_after_the_rows_that_they_build_on(
    desk: Desk, shop: Shop
) -> None:
    result = await desk.run()

    assert statuses(result) == {Status.SUCCEEDED: 3}
    assert bought(shop) == [HERO, BANNER, STORY]
    first, second = shop.uploads
    assert image_of("task-1") in first.body
    assert image_of("task-2") in second.body
    desk.check_money()


async def test_children_wait_while_others_are_bought(desk: Desk, shop: Shop) -> None:
    write(desk, hero="", **{f"child{n}": "row:hero" for n in range(5)}, other="")

    result = await desk.run(terms=desk.wide("foxapi", 4))

    assert statuses(result) == {Status.SUCCEEDED: 7}
    assert set(bought(shop)[:2]) == {HERO, "other"}
    assert len(shop.uploads) == 1
    desk.check_money()


@pytest.mark.parametrize(
    "limits",
    [
        {"max_cost_by": {"kind": {"*": Decimal(9), "child": Decimal("0.05")}}},
        {"max_cost": Decimal("0.15")},
    ],
)
async def test_a_child_that_two_parents_queue_is_bought_once_and_with_both(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any]
) -> None:
    """Parents that are stored in one commit both find that their child is ready."""

    def queue_twice(run: Run, row_id: int) -> None:
        queue_children(run, row_id)
        queue_children(run, row_id)

    monkeypatch.setattr(store, "queue_children", queue_twice)
    desk.write_columns(
        id=["banner", "hero", "scene"],
        prompt=[BANNER, HERO, "a scene"],
        references=["row:hero|row:scene", "", ""],
        kind=["child", "", ""],
    )

    result = await desk.run(terms=desk.wide("foxapi", 2), **limits)

    assert result.error is None
    assert statuses(result) == {Status.SUCCEEDED: 3}
    assert len(shop.buys) == 3
    assert len(shop.buys[-1].body["image_urls"]) == 2
    desk.check_money()


async def test_a_row_whose_parent_failed_is_not_bought_and_says_why(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = lambda request: (
        refused(400, "no heroes") if HERO in str(request.body) else shop.accept(request)
    )

    result = await desk.run()

    assert statuses(result) == {Status.FAILED: 1, Status.PENDING: 2}
    story, banner, hero = desk.table()
    assert banner["message"] == "it builds on row:hero, which failed"
    assert story["message"] == "it builds on row:banner, which has no image yet"
    assert hero["error"] == "request_invalid"
    desk.check_money()


async def test_what_waited_is_bought_when_the_parent_succeeds_later(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = lambda _: refused(400, "no heroes")
    await desk.run()
    shop.buy = shop.accept
    desk.retry("failed")

    result = await desk.run()

    assert statuses(result) == {Status.SUCCEEDED: 3}
    assert bought(shop) == [HERO, HERO, BANNER, STORY]
    desk.check_money()


async def test_a_limit_leaves_out_rows_whose_parents_are_left_out(
    desk: Desk, shop: Shop
) -> None:
    result = await desk.run(limit=2)

    assert statuses(result) == {Status.PENDING: 2}
    assert not shop.buys

    result = await desk.run()

    assert statuses(result) == {Status.SUCCEEDED: 3}
    desk.check_money()


async def test_a_parent_with_another_id_leaves_its_children_as_they_are(
    desk: Desk, shop: Shop
) -> None:
    await desk.run()

    desk.write_columns(
        id=["story", "banner", "champion"],
        prompt=[STORY, BANNER, HERO],
        references=["row:banner", "row:champion", ""],
    )
    result = await desk.run()

    assert statuses(result) == {Status.SUCCEEDED: 3}
    assert len(shop.buys) == 3
    desk.check_money()


async def test_a_changed_parent_changes_its_children(desk: Desk, shop: Shop) -> None:
    await desk.run()
    desk.write_columns(
        id=["story", "banner", "hero"],
        prompt=[STORY, BANNER, "another hero"],
        references=["row:banner", "row:hero", ""],
    )

    result = await desk.run(rebuy=True)

    assert statuses(result) == {Status.SUCCEEDED: 3}
    assert bought(shop)[3:] == ["another hero", BANNER, STORY]
    assert image_of("task-4") in shop.uploads[2].body
    desk.check_money()


def mark(desk: Desk, *ids: str, with_children: bool = False) -> int:
    with open_folder(desk.out, None, None) as folder, folder.ledger.transaction():
        selection = [SelectedRow(row_id) for row_id in ids]
        return mark_rows(
            folder.ledger, ("succeeded",), selection, with_children=with_children
        )


@pytest.mark.parametrize(
    ("with_children", "again"), [(False, [HERO]), (True, [HERO, BANNER, STORY])]
)
async def test_a_parent_that_is_bought_again_leaves_its_children_unless_told(
    desk: Desk, shop: Shop, *, with_children: bool, again: Sequence[str]
) -> None:
    await desk.run()

    assert mark(desk, "hero", with_children=with_children) == len(again)
    result = await desk.run()

    assert statuses(result) == {Status.SUCCEEDED: 3}
    assert bought(shop)[3:] == again
    desk.check_money()


async def test_a_child_has_the_image_of_its_parent_at_another_provider(
    desk: Desk, shop: Shop
) -> None:
    desk.write_columns(
        id=["banner", "hero"],
        prompt=[BANNER, HERO],
        references=["row:hero", ""],
        provider=["foxapi", "aimlapi"],
    )
    shop.buy = lambda request: (
        shop.sells(185_000, "task-9.png")(request)
        if request.path.startswith("/aimlapi")
        else shop.accept(request)
    )

    result = await desk.run(providers=("aimlapi", "foxapi"))

    assert statuses(result) == {Status.SUCCEEDED: 2}
    assert image_of("task-9") in shop.uploads[0].body
    desk.check_money()


@pytest.mark.parametrize("first", BOTH)
async def test_a_chain_through_two_providers_is_made_in_one_run(
    desk: Desk, shop: Shop, first: str
) -> None:
    """The provider of the last rows has nothing to do until those before are made."""
    ids = ["hero", "other", "child", "grandchild", "last"]
    desk.write_columns(
        id=ids,
        prompt=ids,
        references=["", "", "row:hero", "row:child", "row:grandchild"],
        provider=["foxapi", "aimlapi", "foxapi", "aimlapi", "foxapi"],
    )
    shop.buy = lambda request: (
        shop.sells(185_000)(request)
        if request.path.startswith("/aimlapi")
        else shop.accept(request)
    )

    shop.poll = in_turn(*[shop.running] * 20, shop.complete)

    with anyio.fail_after(60):
        result = await desk.run(providers=(first, *({*BOTH} - {first})))

    assert statuses(result) == {Status.SUCCEEDED: 5}
    desk.check_money()


async def test_rows_with_the_same_request_share_their_image_and_their_children(
    desk: Desk, shop: Shop
) -> None:
    desk.write_columns(
        id=["hero", "twin", "banner", "other"],
        prompt=[HERO, HERO, BANNER, BANNER],
        references=["", "", "row:twin", "row:hero"],
    )

    result = await desk.run(dedupe=True)

    assert statuses(result) == {Status.SUCCEEDED: 4}
    assert bought(shop) == [HERO, BANNER]
    desk.check_money()


async def test_rows_in_a_circle_are_invalid(desk: Desk, shop: Shop) -> None:
    write(desk, hero="row:story", banner="row:hero", story="row:banner", other="")

    result = await desk.run()

    assert statuses(result) == {Status.INVALID: 3, Status.SUCCEEDED: 1}
    for row in desk.table()[:3]:
        assert "in a circle: hero -> story -> banner -> hero" in row["message"]


async def test_a_damaged_parent_in_the_zip_is_not_sent(desk: Desk, shop: Shop) -> None:
    await desk.run(limit=3)
    _damage(desk, image_of("task-1"))
    assert mark(desk, "banner") == 1

    result = await desk.run()

    assert statuses(result)[Status.FAILED] == 1
    assert desk.table()[1]["error"] == "reference_rejected"
    assert len(shop.buys) == 3


def _damage(desk: Desk, image: bytes) -> None:
    archive = desk.out / "images.zip"
    data = archive.read_bytes()
    place = data.index(image) + len(image) - 20
    archive.write_bytes(data[:place] + b"\xff" + data[place + 1 :])


async def test_a_row_whose_parent_is_left_out_says_so(desk: Desk, shop: Shop) -> None:
    job = desk.job(rows=(range(2),))

    result = await desk.run(rows=(range(2),))

    assert statuses(result) == {Status.PENDING: 2}
    expected = (
        "it builds on row:hero, which has no image yet, and is not among the rows"
    )
    ledger = read_ledger(desk.out)
    with closing(ledger):
        scope = result.scope or 0
        (cause,) = causes_among(ledger, ledger.totals(scope).rows, scope)
    assert (cause.rows, cause.examples[0].row) == (1, 1)
    assert expected in (cause.message or "")
    findings = check_job(job, PROVIDERS, prices_of(job), ALL_ROWS)
    assert any(expected in notice for notice in findings.notices)
