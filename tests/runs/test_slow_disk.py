"""While the disk does not come back, little more is bought; then all is stored."""

from __future__ import annotations

import threading

import anyio
import pytest

from batchgen.admission.permit import UNSTORED_FACTOR
from batchgen.model import Status
from batchgen.output.archive import Archive
from tests.runs.desk import Desk
from tests.runs.shop import PICTURE, Answer, Request, Shop

ROWS, CONCURRENCY = 20, 2
MAX_UNSTORED = UNSTORED_FACTOR * CONCURRENCY


@pytest.mark.anyio
async def test_a_disk_that_hangs_bounds_what_is_bought_and_nothing_of_it_is_lost(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.provider = "aimlapi"
    desk.write(*(f"cup {index}" for index in range(ROWS)))
    shop.buy = shop.sells(100)
    disk_goes_on, all_wait = threading.Event(), anyio.Event()
    sync, counts = Archive.sync, []

    def slow_sync(archive: Archive) -> None:
        assert disk_goes_on.wait(timeout=60), "less is bought than may be"
        sync(archive)

    def look(request: Request) -> Answer:
        if len(shop.downloads) == MAX_UNSTORED:
            all_wait.set()
        return PICTURE

    async def let_it_go_on() -> None:
        await all_wait.wait()
        for _ in range(50):  # one more would be bought by then
            await anyio.wait_all_tasks_blocked()
        counts.append(len(shop.buys))
        disk_goes_on.set()

    monkeypatch.setattr(Archive, "sync", slow_sync)
    shop.image = look

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(let_it_go_on)
        outcome = await desk.run(terms=desk.wide("aimlapi", CONCURRENCY))

    assert counts == [MAX_UNSTORED]
    assert outcome.totals is not None
    assert outcome.totals.rows[Status.SUCCEEDED] == len(shop.buys) == ROWS
    desk.check_money()
