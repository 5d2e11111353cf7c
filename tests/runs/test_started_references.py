"""Rows with references that earlier versions took, and this one does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from batchgen.manifest.reference_cell import split_by_bars
from batchgen.model import State, Status
from tests.runs.desk import Desk, statuses
from tests.runs.shop import PNG, Answer, Shop

pytestmark = pytest.mark.anyio

CELLS = [
    pytest.param("https://a.example/front\nview.png", id="line-break"),
    pytest.param("https://a.example/x.png\tfront", id="tab"),
    pytest.param("https://a.example:abc/x.png", id="port"),
    pytest.param("https://\u200ba.example/x.png", id="zero-width"),
]


@contextmanager
def as_before() -> Iterator[None]:
    """Judge and part references as earlier versions did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "batchgen.manifest.reference_locator.problem_of_url", lambda _: None
        )
        patch.setattr(
            "batchgen.manifest.row_cells.split_references",
            lambda cell, _: split_by_bars(cell),
        )
        yield


def write(desk: Desk, *cells: str) -> None:
    ids = [f"row-{number}" for number in range(len(cells))]
    desk.write_columns(id=ids, prompt=ids, references=cells)


@pytest.mark.parametrize("cell", CELLS)
async def test_a_task_that_was_accepted_before_is_fetched(
    desk: Desk, shop: Shop, cell: str
) -> None:
    write(desk, cell)
    shop.poll = shop.running
    desk.fox = type(desk.fox)(deadline_s=0.05)
    with as_before():
        await desk.run()
    assert [attempt.state for attempt in desk.attempts()] == [State.OVERDUE]

    write(desk, cell, cell)
    shop.poll = shop.complete
    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1, Status.INVALID: 1}
    assert [row["status"] for row in desk.table()] == ["succeeded", "invalid"]
    assert len(shop.buys) == 1
    desk.check_money()


@pytest.mark.parametrize("cell", CELLS)
async def test_a_plan_of_before_ends_that_row_alone_where_it_is_fetched(
    desk: Desk, shop: Shop, cell: str
) -> None:
    desk.provider = "apiai"
    image = Answer(200, PNG, {"content-type": "image/png", "x-cost": "0"})
    shop.buy = lambda _: image
    write(desk, "", cell, "")

    with as_before():
        outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 2, Status.FAILED: 1}
    row = desk.table()[1]
    assert row["error"] == "reference_rejected"
    assert row["message"].count("a.example") == 1
    assert row["attempts"] == 0
    desk.check_money()
