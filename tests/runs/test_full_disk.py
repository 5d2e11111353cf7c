"""A disk that fills in mid-run costs nothing that was paid for, and says so."""

from __future__ import annotations

import errno
import io
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from batchgen.admission import permit as admission
from batchgen.errors import DiskFull
from batchgen.model import Status
from batchgen.runner.config import RunResult
from batchgen.storage import disk_room
from tests.law import check_amounts
from tests.runs.desk import Desk, statuses
from tests.runs.shop import Answer, Request, Shop
from tests.small_disk import eat, small_disk

pytestmark = pytest.mark.anyio

ROWS = 24
IN_FLIGHT = 8
MEGABYTE = 1_000_000


def noise(number: int) -> bytes:
    """Return a picture of some 100 KB."""
    file = io.BytesIO()
    data = random.Random(number).randbytes(3 * 200 * 170)
    Image.frombytes("RGB", (200, 170), data).save(file, "PNG")
    return file.getvalue()


PICTURES = [noise(number) for number in range(8)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_room, "SPARE_BYTES", 2 * MEGABYTE)
    monkeypatch.setattr(admission, "IMAGE_BYTES", MEGABYTE)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64 * MEGABYTE) as disk:
        yield disk


Sell = Callable[[Shop], None]


def by_links(shop: Shop) -> None:
    shop.buy = shop.sells(100_000)
    shop.image = picture_of


def by_bytes(shop: Shop) -> None:
    def respond(request: Request) -> Answer:
        shop.billed_nano += 40_000_000
        headers = {"content-type": "image/png", "x-cost": "0.04"}
        return Answer(200, PICTURES[len(shop.buys) % len(PICTURES)], headers)

    shop.buy = respond


def by_tasks(shop: Shop) -> None:
    shop.image = picture_of


def picture_of(request: Request) -> Answer:
    number = hash(request.path) % len(PICTURES)
    return Answer(200, PICTURES[number], {"content-type": "image/png"})


WAYS = {"aimlapi": by_links, "apiai": by_bytes, "foxapi": by_tasks}


def hungry(shop: Shop, disk: Path, nth: int) -> None:
    """Let another program take all that is free as the n-th purchase arrives."""
    buy = shop.buy

    def respond(request: Request) -> Answer:
        if len(shop.buys) == nth:
            eat(disk, 0)
        return buy(request)

    shop.buy = respond


def ready(desk: Desk, provider: str, disk: Path) -> dict[str, Any]:
    desk.provider = provider
    WAYS[provider](desk.shop)
    desk.write(*(f"cup {number}" for number in range(ROWS)))
    terms = desk.wide(provider, IN_FLIGHT)
    return {"out": disk / "run", "terms": terms}


async def run(desk: Desk, settings: dict[str, Any]) -> RunResult:
    """Run to the end; its outputs may lack room, too."""
    job = desk.job
    desk_job = replace(job(), **settings)
    desk.job = lambda **_: desk_job  # type: ignore[method-assign]
    try:
        return await desk.run()
    finally:
        desk.job = job  # type: ignore[method-assign]


@pytest.mark.parametrize("nth", [1, 6, 11])
@pytest.mark.parametrize("provider", WAYS)
async def test_what_was_in_flight_is_stored_by_this_run_or_the_next(
    provider: str, nth: int, desk: Desk, shop: Shop, disk: Path
) -> None:
    settings = ready(desk, provider, disk)
    hungry(shop, disk, nth)

    stopped = await run(desk, settings)

    assert isinstance(stopped.error, DiskFull), stopped
    assert "free some space" in str(stopped.error)
    assert len(shop.buys) < ROWS
    assert stopped.totals is not None
    assert stopped.totals.at_risk_attempts == 0

    (disk / "eaten").unlink()
    outcome = await run(desk, settings)

    assert statuses(outcome) == {Status.SUCCEEDED: ROWS}
    assert len(shop.buys) == ROWS, "nothing was bought twice"


@pytest.mark.parametrize("provider", WAYS)
async def test_a_disk_that_fills_over_the_last_rows_lets_them_end(
    provider: str, desk: Desk, shop: Shop, disk: Path
) -> None:
    settings = ready(desk, provider, disk)
    hungry(shop, disk, ROWS)

    outcome = await run(desk, settings)

    assert statuses(outcome) == {Status.SUCCEEDED: ROWS}
    assert len(shop.buys) == ROWS


# -- where the room that was held is not enough, or none can be held


def short_of_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images be far larger than anybody thought."""
    monkeypatch.setattr(admission, "_image_bytes", lambda _: 1000)


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
async def test_links_are_kept_when_the_archive_is_full(
    provider: str,
    desk: Desk,
    shop: Shop,
    disk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = ready(desk, provider, disk)
    hungry(shop, disk, 6)
    short_of_room(monkeypatch)

    stopped = await run(desk, settings)

    assert isinstance(stopped.error, DiskFull), stopped
    assert stopped.totals is not None
    assert stopped.totals.at_risk_attempts == 0
    assert any("the next run writes them" in notice for notice in desk.notices)
    (disk / "eaten").unlink()

    outcome = await run(desk, settings)

    assert statuses(outcome) == {Status.SUCCEEDED: ROWS}
    assert len(shop.buys) == ROWS, "nothing was bought twice"


async def test_bytes_that_found_no_room_are_at_risk_and_nothing_else_is(
    desk: Desk, shop: Shop, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ready(desk, "apiai", disk)
    hungry(shop, disk, 6)
    short_of_room(monkeypatch)

    stopped = await run(desk, settings)

    assert isinstance(stopped.error, DiskFull), stopped
    totals = stopped.totals
    assert totals is not None
    assert totals.at_risk_attempts == len(shop.buys) - totals.images > 0
    check_amounts(totals.spent, shop.billed_nano, totals.at_risk)
    (disk / "eaten").unlink()

    outcome = await run(desk, settings)

    assert statuses(outcome) == {Status.SUCCEEDED: ROWS}
    assert len(shop.buys) == ROWS + totals.at_risk_attempts


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
async def test_links_are_kept_without_a_small_disk_to_try_it_on(
    provider: str, desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ready(desk, provider, desk.folder)
    write, calls = os.pwritev, 0

    def refuse(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*args)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", refuse)
        stopped = await run(desk, settings)

    assert isinstance(stopped.error, DiskFull), stopped
    assert stopped.totals is not None
    assert stopped.totals.at_risk_attempts == 0

    outcome = await run(desk, settings)

    assert statuses(outcome) == {Status.SUCCEEDED: ROWS}
    assert len(shop.buys) == ROWS


async def test_where_no_room_can_be_held_a_margin_is_left(
    desk: Desk, shop: Shop, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ready(desk, "aimlapi", disk)
    monkeypatch.setattr("batchgen.output.preallocation._allocator", lambda: None)

    outcome = await run(desk, settings)

    assert statuses(outcome) == {Status.SUCCEEDED: ROWS}


# -- what is held is given back


async def test_room_is_held_while_it_runs_and_none_is_afterwards(
    desk: Desk, shop: Shop
) -> None:
    settings = ready(desk, "apiai", desk.folder)
    archive = desk.folder / "run" / "images.zip"
    buy, held = shop.buy, []

    def respond(request: Request) -> Answer:
        stat = archive.stat()
        held.append(stat.st_blocks * 512 - stat.st_size)
        return buy(request)

    shop.buy = respond

    await run(desk, settings)

    if max(held) < MEGABYTE:
        pytest.skip("this file system cannot hold room")
    assert min(held) >= MEGABYTE
    stat = archive.stat()
    assert stat.st_blocks * 512 - stat.st_size < 64 * 1024


async def test_without_an_image_no_empty_zip_is_left(desk: Desk, shop: Shop) -> None:
    shop.buy = lambda _: Answer(400, b'{"message": "no"}')

    await desk.run()

    assert not (desk.out / "images.zip").exists()
    assert (desk.out / "results.parquet").exists()
