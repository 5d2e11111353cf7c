"""One more request leaves only where what it brings will find room."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from batchgen.ledger import Ledger
from batchgen.output.archive import Archive
from batchgen.storage import disk_room
from batchgen.storage.disk_room import DiskRoom, DiskRoomState
from tests.small_disk import eat, small_disk

MEGABYTE = 1 << 20
T = TypeVar("T")


async def at_once(work: Callable[[], T]) -> T:
    return work()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 48 * MEGABYTE) as disk:
        yield disk


@pytest.fixture
def held(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DiskRoom]:
    monkeypatch.setattr(disk_room, "SPARE_BYTES", 4 * MEGABYTE)
    with (
        closing(Ledger(disk / "run.db")) as ledger,
        closing(Archive(disk / "images.zip", 0)) as archive,
    ):
        with ledger.transaction():
            ledger.write_meta("a", 1)
        yield DiskRoom(disk, archive, ledger.log, at_once)


def hold(room: DiskRoom, images: int, image_bytes: int) -> None:
    anyio.run(room.hold, images, image_bytes)


def test_what_is_lacking_is_held_and_then_it_may_leave(
    held: DiskRoom, disk: Path
) -> None:
    before = shutil.disk_usage(disk).free
    assert held.look(4, MEGABYTE) is DiskRoomState.MISSING_ROOM

    hold(held, 4, MEGABYTE)

    assert held.look(4, MEGABYTE) is DiskRoomState.HELD
    assert before - shutil.disk_usage(disk).free >= 4 * MEGABYTE + disk_room.LOG_BYTES


def test_the_margin_stays_free_however_much_is_asked_for(
    held: DiskRoom, disk: Path
) -> None:
    images = 0
    while held.look(images + 1, MEGABYTE) is not DiskRoomState.FULL:
        hold(held, images + 1, MEGABYTE)
        images += 1
        assert shutil.disk_usage(disk).free >= disk_room.SPARE_BYTES // 2

    assert images > 20, "and most of the disk can be used"
    assert "needed to store the next image" in str(held.explain(images + 1, MEGABYTE))


def test_when_others_took_the_margin_nothing_more_leaves(
    held: DiskRoom, disk: Path
) -> None:
    hold(held, 8, MEGABYTE)

    eat(disk, disk_room.SPARE_BYTES // 4)

    assert held.look(1, MEGABYTE) is DiskRoomState.FULL


def test_what_is_held_counts_when_little_is_free(held: DiskRoom, disk: Path) -> None:
    hold(held, 8, MEGABYTE)

    eat(disk, disk_room.SPARE_BYTES + MEGABYTE)

    assert held.look(8, MEGABYTE) is DiskRoomState.HELD
    assert held.look(20, MEGABYTE) is DiskRoomState.FULL


def test_where_nothing_can_be_held_the_margin_counts_all(
    held: DiskRoom, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchgen.output.preallocation._allocator", lambda: None)

    hold(held, 4, MEGABYTE)

    free = shutil.disk_usage(disk).free
    fits = (free - disk_room.SPARE_BYTES) // MEGABYTE
    assert held.look(fits, MEGABYTE) is DiskRoomState.HELD
    assert held.look(fits + 1, MEGABYTE) is DiskRoomState.FULL


def test_more_than_the_most_that_is_held_is_a_margin(
    held: DiskRoom, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_room, "MAX_HELD_BYTES", 4 * MEGABYTE)
    before = shutil.disk_usage(disk).free

    hold(held, 16, MEGABYTE)

    assert held.look(16, MEGABYTE) is DiskRoomState.HELD
    used_bytes = before - shutil.disk_usage(disk).free
    assert used_bytes < 16 * MEGABYTE + disk_room.LOG_BYTES
    assert held.look(60, MEGABYTE) is DiskRoomState.FULL
