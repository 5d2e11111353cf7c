"""Room that is held belongs to the file, whatever others write meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.errors import DiskFull
from batchgen.ledger import Ledger
from batchgen.output import preallocation
from batchgen.output.archive import Archive
from batchgen.output.preallocation import hold_room_in
from tests.output.archives import check_with_every_reader, filled, incoming
from tests.small_disk import eat, small_disk

MEGABYTE = 1 << 20
IMAGE = bytes(range(256)) * 1024  # 256 KB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 16 * MEGABYTE) as disk:
        yield disk


def held(path: Path) -> int:
    """Return the bytes on the disk that belong to a file, and are not in it."""
    state = path.stat()
    return max(0, state.st_blocks * 512 - state.st_size)


def test_images_find_the_room_that_was_held_on_a_full_disk(disk: Path) -> None:
    path = disk / "images.zip"
    with closing(Archive(path, 0)) as archive:
        assert archive.hold(4 * MEGABYTE)
        assert archive.file.held_to == archive.end + 4 * MEGABYTE
        assert path.stat().st_size == 0
        eat(disk, 0)

        for number in range(12):
            archive.append([incoming(number, IMAGE)])
            archive.sync()
        archive.finish([], [])

    check_with_every_reader(path)


def test_without_it_they_do_not(disk: Path) -> None:
    with closing(Archive(disk / "images.zip", 0)) as archive:
        archive.append([incoming(0, IMAGE)])
        archive.sync()
        eat(disk, 0)

        with pytest.raises(DiskFull):
            archive.append([incoming(1, IMAGE)])


def test_what_is_cut_leaves_the_room_held(disk: Path) -> None:
    path = disk / "images.zip"
    with closing(Archive(path, 0)) as archive:
        archive.append([incoming(0, IMAGE)])
        archive.finish([], [b"x" * MEGABYTE])
        committed = archive.end

    with closing(Archive(path, committed)) as archive:
        archive.recover()
        assert archive.hold(4 * MEGABYTE)
        archive.append([incoming(1, IMAGE)])  # cuts the directory first
        archive.sync()
        eat(disk, 0)
        archive.append(incoming(number, IMAGE) for number in range(2, 12))
        archive.sync()


def test_room_that_is_not_there_is_not_held(disk: Path) -> None:
    with closing(Archive(disk / "images.zip", 0)) as archive:
        archive.append([incoming(0, IMAGE)])
        assert archive.hold(MEGABYTE)
        eat(disk, MEGABYTE)
        held_before = archive.file.held_to

        assert archive.hold(8 * MEGABYTE) is False

        assert archive.file.held_to == held_before


def test_it_is_given_back_when_the_archive_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    filled(path, 2)
    size = path.stat().st_size
    archive = Archive(path, size)
    if not archive.hold(8 * MEGABYTE):
        pytest.skip("this file system cannot hold room")
    assert held(path) >= 7 * MEGABYTE

    archive.close()

    assert held(path) < MEGABYTE
    assert path.stat().st_size == size


def test_what_a_killed_process_held_is_given_back_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    filled(path, 2)
    size = path.stat().st_size
    if not hold_room_in(path, size, 8 * MEGABYTE):
        pytest.skip("this file system cannot hold room")

    with closing(Archive(path, size)) as archive:
        archive.finish([], [])
        archive.release()

    assert held(path) < MEGABYTE
    check_with_every_reader(path)


def test_a_file_that_was_made_for_it_alone_does_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    archive = Archive(path, 0)
    archive.hold(MEGABYTE)

    assert path.exists()
    assert not archive.is_begun
    archive.release()

    assert not path.exists()


def test_where_the_system_cannot_hold_room_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preallocation, "_allocator", lambda: None)
    path = tmp_path / "images.zip"
    with closing(Archive(path, 0)) as archive:
        assert archive.hold(MEGABYTE) is None
        assert archive.file.held_to == 0
        archive.append([incoming(0)])


def commit(ledger: Ledger, times: int) -> None:
    for number in range(times):
        with ledger.transaction():
            ledger.write_meta(f"name-{number}", "x" * 3000)


def test_the_ledgers_log_takes_commits_on_a_full_disk(disk: Path) -> None:
    with closing(Ledger(disk / "run.db")) as ledger:
        commit(ledger, 1)
        size = ledger.log.stat().st_size
        assert hold_room_in(ledger.log, size, 6 * MEGABYTE)
        eat(disk, 0)

        # More than a checkpoint's worth, for which the ledger itself has no room.
        commit(ledger, 300)

        assert ledger.read_meta("name-299") is not None
    (disk / "eaten").unlink()
    with closing(Ledger(disk / "run.db")) as ledger:
        assert ledger.read_meta("name-299") is not None


def test_without_room_of_its_own_it_does_not(disk: Path) -> None:
    with closing(Ledger(disk / "run.db")) as ledger:
        commit(ledger, 1)
        eat(disk, 0)

        with pytest.raises(DiskFull):
            commit(ledger, 300)
