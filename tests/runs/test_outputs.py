"""Outputs that were harmed after a run are made anew by the next; nothing is bought."""

from __future__ import annotations

import os
import sqlite3
import threading
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import closing

import anyio
import polars as pl
import pytest

from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.reference_uploads import References
from batchgen.admission.run_context import Run
from batchgen.errors import DiskFull
from batchgen.ledger import plan
from batchgen.ledger.plan_index import PlanIndex
from batchgen.ledger.resuming import bookmark_of, put_bookmark
from batchgen.model import Status
from batchgen.planning.planner import SLICE
from batchgen.runner import completion as ending
from batchgen.runner import engine as local
from batchgen.runner.feeding import feed_queue
from batchgen.runner.folder import open_folder, read_ledger
from batchgen.runner.handle import FROM_CODE
from tests.runs.desk import Desk, statuses
from tests.runs.shop import Answer, Request, Shop, in_turn, refused

pytestmark = pytest.mark.anyio

CREDITS = 178_975


async def test_a_zip_that_lost_its_directory_is_finished_again(
    desk: Desk, shop: Shop
) -> None:
    await desk.run()
    archive = desk.out / "images.zip"
    ledger = read_ledger(desk.out)
    os.truncate(archive, ledger.meta.archive_end)
    ledger.close()
    assert not zipfile.is_zipfile(archive)

    await desk.run()

    with zipfile.ZipFile(archive) as whole:
        assert whole.testzip() is None
        assert len(whole.namelist()) == 2
    assert len(shop.buys) == 1


@pytest.mark.parametrize("name", ["results.parquet", "attempts.parquet"])
async def test_a_table_that_was_deleted_is_written_again(
    name: str, desk: Desk, shop: Shop
) -> None:
    await desk.run()
    table = desk.out / name
    before = pl.read_parquet(table)
    table.unlink()

    await desk.run()

    assert pl.read_parquet(table).equals(before)
    assert len(shop.buys) == 1


async def test_a_zip_whose_only_image_was_torn_by_a_kill_is_a_zip_all_the_same(
    desk: Desk, shop: Shop
) -> None:
    shop.buy = lambda _: refused(400, "no such ratio")
    await desk.run()
    archive = desk.out / "images.zip"
    archive.write_bytes(b"PK\x03\x04 and no more of it")
    with closing(sqlite3.connect(desk.out / "run.db")) as ledger, ledger:
        ledger.execute("UPDATE meta SET value = 'stale' WHERE name = 'outputs'")

    await desk.run()

    with zipfile.ZipFile(archive) as whole:
        assert whole.namelist() == ["metadata.jsonl"]
    assert desk.row()["status"] == "failed"


@pytest.mark.parametrize("is_long", [False, True], ids=["all-rows", "first-rows"])
async def test_a_stop_ends_the_reading_too_and_the_next_run_carries_it_on(
    *, is_long: bool, desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_long:  # a table that would take long to write has its first slices
        monkeypatch.setattr(ending, "FEW_ROWS", 1)
    rows, is_judging, is_asked = 8 * SLICE, threading.Event(), threading.Event()

    class Waiting(PlanIndex):
        def count_occurrences(self, keys: Sequence[int]) -> list[int]:
            if self._has_names:  # a slice stands in the plan
                is_judging.set()
                is_asked.wait(30)
            return super().count_occurrences(keys)

    async def feed_later(
        run: Run, queue: ProviderQueue, references: References
    ) -> None:
        # A purchase may come while the reading rests between two slices. A stop in that
        # moment would leave one slice in the plan, and the test needs two.
        await anyio.to_thread.run_sync(is_judging.wait, 30)
        await feed_queue(run, queue, references)

    monkeypatch.setattr(plan, "PlanIndex", Waiting)
    monkeypatch.setattr(local, "feed_queue", feed_later)
    desk.provider = "aimlapi"
    desk.write(*(f"cup {number}" for number in range(rows)))
    sell = shop.sells(CREDITS)

    def buy(request: Request) -> Answer:
        if len(shop.buys) == 1:
            desk.handle.stop()
        is_asked.set()
        return sell(request)

    shop.buy = buy

    stopped = await desk.run(limit=2)
    table = desk.table()

    assert stopped.stop_reason == FROM_CODE
    assert stopped.cut is not None
    assert SLICE <= stopped.cut.rows < rows
    assert len(table) == (SLICE if is_long else stopped.cut.rows)
    assert stopped.rows_in_table == (SLICE if is_long else None)
    assert sum(row["status"] == "succeeded" for row in table) == 1
    assert desk.totals().images == 1

    outcome = await desk.run(limit=2)

    assert statuses(outcome) == {Status.SUCCEEDED: 2}
    assert len(desk.table()) == rows
    assert len(shop.buys) == 2
    ledger = read_ledger(desk.out)
    generation = ledger.generation
    ledger.close()
    assert generation == 1, "it was read from its first row again"


async def test_a_run_that_may_buy_forgets_another_reading_that_was_cut_short(
    desk: Desk,
) -> None:
    """What is bought now, the rest of that reading would not know."""
    await desk.run()
    with open_folder(desk.out, None, None) as folder, folder.ledger.transaction():
        put_bookmark(folder.ledger, "of an edited table", 2, 1_000, {})

    await desk.run()

    ledger = read_ledger(desk.out)
    assert bookmark_of(ledger) is None
    ledger.close()


async def test_what_is_in_flight_comes_in_when_there_is_no_room_to_plan_on(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = threading.Event()

    class Cramped(PlanIndex):
        def add_names(self, names: Iterable[tuple[int, int]]) -> None:
            super().add_names(names)
            # A slice stands in the plan by now, or is about to.
            self._scratch.execute("PRAGMA max_page_count = 1")

        def count_occurrences(self, keys: Sequence[int]) -> list[int]:
            if self._has_names:
                accepted.wait(30)
            return super().count_occurrences(keys)

    def buy(request: Request) -> Answer:
        accepted.set()
        return shop.accept(request)

    monkeypatch.setattr(plan, "PlanIndex", Cramped)
    shop.buy = buy
    shop.poll = in_turn(*[shop.running] * 3, shop.complete)
    desk.write(*(f"cup {number}" for number in range(4 * SLICE)))

    outcome = await desk.run()

    assert isinstance(outcome.error, DiskFull)
    assert desk.totals().images == len(shop.buys) > 0
    assert desk.totals().at_risk == 0
    assert len(desk.table()) == SLICE
