"""Dead bytes leave the ZIP: whole, or nothing is changed."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from batchgen.errors import ArchiveDamaged, DiskFull, LedgerLocked
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.model import State, Status
from batchgen.output.diskfile import DiskFile
from batchgen.output.walk import header_at
from batchgen.report import compaction as compacting
from batchgen.report.compaction import CompactionResult, compact
from batchgen.runner.folder import open_folder
from batchgen.runner.manifest_edits import rebuy_of
from batchgen.runner.resume import recover
from batchgen.storage.outputs import are_fresh
from tests.report.keeping import (
    LIVE,
    REMOVED,
    ROWS,
    check_pair,
    make_folder,
    make_folder_with_dead_bytes,
    names,
    streamed,
)
from tests.report.runs import read
from tests.small_disk import eat, small_disk


def compacted(folder: Path) -> CompactionResult:
    with open_folder(folder, None, None) as opened:
        recover(opened.ledger, opened.archive, 0)
        return compact(opened, lambda *_: None)


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "images.zip").read_bytes()).hexdigest()


def images(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        rows = ledger.execute("SELECT * FROM images ORDER BY attempt_id, image")
        return rows.fetchall()


def test_what_no_row_has_is_gone_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    archive = folder / "images.zip"
    before, size = zipfile.ZipFile(archive).infolist(), archive.stat().st_size
    assert streamed(folder) == names(tuple(range(len(ROWS))))

    done = compacted(folder)

    assert streamed(folder) == names()
    check_pair(folder)
    assert done.freed_bytes == size - archive.stat().st_size > 0
    assert (done.images, done.removed, done.removed_superseded) == (len(LIVE), 3, 2)
    after = zipfile.ZipFile(archive).infolist()
    assert [(member.filename, member.date_time) for member in after] == [
        (member.filename, member.date_time) for member in before
    ]


def test_the_tags_by_which_a_stop_is_mended_are_kept(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    compacted(folder)
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        places = ledger.execute(
            "SELECT attempt_id, place FROM images WHERE name IS NOT NULL"
        ).fetchall()

    file = DiskFile(folder / "images.zip")
    tags = {place: header_at(file, place) for _, place in places}
    file.close()

    assert len(places) == len(LIVE)
    for attempt_id, place in places:
        header = tags[place]
        assert header is not None
        assert header.tag is not None
        assert header.tag.attempt_id == attempt_id


def test_a_folder_with_nothing_dead_is_left_alone(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    before = (folder / "images.zip").stat()

    done = compacted(folder)

    after = (folder / "images.zip").stat()
    assert (done.freed_bytes, done.images, done.removed) == (0, len(ROWS), 0)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_second_one_finds_nothing_to_do(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    compacted(folder)
    before = digest(folder)

    assert compacted(folder).removed == 0
    assert digest(folder) == before


def test_the_outputs_stay_fresh(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)

    compacted(folder)

    with open_folder(folder, None, None) as opened:
        assert are_fresh(opened.ledger, opened.archive, folder)


def test_images_stored_afterwards_stand_behind_those_that_stayed(
    tmp_path: Path,
) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    compacted(folder)
    with open_folder(folder, None, None) as opened:
        from tests.output.archives import incoming

        [member] = opened.archive.append([incoming(99)])
        opened.archive.sync()
        assert opened.archive.read(member.offset) == incoming(99).data

    # The next process finds it behind the committed end, as after any kill.
    with open_folder(folder, None, None) as opened:
        assert [entry.member for entry in opened.archive.recover()] == [member]


def test_a_removed_row_that_comes_back_is_bought_again_only_with_consent(
    tmp_path: Path,
) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    compacted(folder)
    with open_folder(folder, None, None) as opened:
        ledger = opened.ledger
        read(ledger, ROWS)

        rows = {index: ledger.status(index + 1) for index in range(len(ROWS))}
        assert rows[REMOVED] is Status.PENDING
        rebuy = rebuy_of(ledger, EVERY_ROW, ledger.generation)
        assert "--rebuy" in str(rebuy)


def test_rows_that_were_never_removed_ask_for_no_consent(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    compacted(folder)
    with open_folder(folder, None, None) as opened:
        ledger = opened.ledger
        read(ledger, [row for at, row in enumerate(ROWS) if at in (*LIVE, 2)])

        assert rebuy_of(ledger, EVERY_ROW, ledger.generation) is None


@pytest.mark.parametrize("held_by", ["an open attempt", "a decision"])
def test_images_that_may_still_be_needed_stay(held_by: str, tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        if held_by == "a decision":
            ledger.execute(
                "UPDATE rows SET status = 'held' WHERE row_id = ?", (REMOVED + 1,)
            )
        else:
            ledger.execute(
                "UPDATE attempts SET state = ? WHERE row_id = ?",
                (State.DELIVERED.value, REMOVED + 1),
            )
        ledger.commit()

    done = compacted(folder)

    assert done.removed == 2
    assert f"row-{REMOVED + 1}.png" in streamed(folder)


def test_until_the_manifest_was_read_to_its_end_no_row_counts_as_removed(
    tmp_path: Path,
) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    with open_folder(folder, None, None) as opened, opened.ledger.transaction():
        opened.ledger.meta.plan_digest = None

    done = compacted(folder)

    assert (done.removed, done.is_plan_whole) == (1, False)


def test_an_image_bought_twice_stays_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        # The second attempt brought what the first had: rows 1 and 2 become one.
        ledger.execute("UPDATE attempts SET row_id = 1 WHERE row_id = 2")
        ledger.commit()

    done = compacted(folder)

    assert (done.removed, done.removed_superseded) == (1, 0)
    assert "row-1.png" in streamed(folder)
    assert "row-2.png" not in streamed(folder)


# -- nothing is changed


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    before, rows = digest(folder), images(folder)
    yield
    assert digest(folder) == before
    assert images(folder) == rows
    assert (
        sorted(path.name for path in folder.iterdir() if "compact" in path.name) == []
    )


def test_a_damaged_image_stops_it_and_is_named(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    path = folder / "images.zip"
    data = bytearray(path.read_bytes())
    data[data.index(ROWS[5].picture or b"") + 40] ^= 1
    path.write_bytes(data)

    with unchanged(folder), pytest.raises(ArchiveDamaged, match=r"row-6\.png"):
        compacted(folder)


def test_a_run_at_work_is_not_disturbed(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)

    with (
        open_folder(folder, None, None),
        unchanged(folder),
        pytest.raises(LedgerLocked),
    ):
        compacted(folder)


def test_too_little_room_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    free = shutil.disk_usage(folder).free
    monkeypatch.setattr(compacting, "SPARE_BYTES", 2 * free)

    with unchanged(folder), pytest.raises(DiskFull, match="MB must be free"):
        compacted(folder)


@pytest.mark.parametrize("room", [0, 50_000, 90_000, 110_000])
def test_a_disk_that_fills_meanwhile_leaves_the_old_pair(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 2_000_000) as disk:
        folder = disk / "run"
        folder.mkdir()
        make_folder_with_dead_bytes(folder)
        monkeypatch.setattr(compacting, "_require_room", lambda *_: None)

        with unchanged(folder):
            eat(disk, room)
            with pytest.raises(DiskFull):
                compacted(folder)
            (disk / "eaten").unlink()

        compacted(folder)
        check_pair(folder)


def test_no_cent_changes(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    with open_folder(folder, None, None) as opened:
        before = opened.ledger.totals(EVERY_ROW)

    compacted(folder)

    with open_folder(folder, None, None) as opened:
        assert opened.ledger.totals(EVERY_ROW) == before
    assert before.superseded > 0


def test_images_that_another_row_shares_stay(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path)
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        ledger.execute("UPDATE plan SET shares = ? WHERE position = 0", (REMOVED + 1,))
        ledger.commit()

    done = compacted(folder)

    assert done.removed == 2
    assert f"row-{REMOVED + 1}.png" in streamed(folder)
