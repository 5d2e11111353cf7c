"""A changed byte of a finished ZIP is found and named; a whole ZIP is told whole."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.errors import SpecError
from batchgen.ledger import Ledger
from batchgen.output import zipformat
from batchgen.output.directory_check import directory_damage
from batchgen.output.diskfile import DiskFile
from batchgen.report.archive_verification import Verification, verify
from batchgen.runner.folder import open_folder
from batchgen.storage.outputs import directory_entries, write_outputs
from tests.ledger.books import PRICE
from tests.report.keeping import ROWS, make_folder


def verified(folder: Path) -> Verification:
    return verify(folder, lambda *_: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def places(folder: Path) -> dict[str, tuple[int, int]]:
    """Return where images begin in the ZIP, and their size."""
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        rows = ledger.execute("SELECT name, place, size_bytes FROM images").fetchall()
    return {name: (place, size) for name, place, size in rows}


def change(folder: Path, offset: int) -> None:
    path = folder / "images.zip"
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


def test_a_whole_zip_is_told_whole(folder: Path) -> None:
    health = verified(folder)

    assert health.is_whole
    assert health.is_finished
    assert health.images == len(ROWS)
    assert health.size_bytes == sum(len(row.picture or b"") for row in ROWS)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["first", "middle", "last"])
def test_any_changed_byte_of_an_image_is_found_and_its_row_named(
    share: float, folder: Path
) -> None:
    _, size = places(folder)["row-4.png"]
    data = (folder / "images.zip").read_bytes()
    start = data.index(ROWS[3].picture or b"")
    change(folder, start + int(share * (size - 1)))

    health = verified(folder)

    [damage] = health.damaged
    assert (damage.member.name, damage.member.row_name) == ("row-4.png", "r3")
    assert "CRC" in damage.problem
    assert health.estimate == PRICE
    assert not health.is_whole


def test_any_changed_byte_of_a_header_is_found(folder: Path) -> None:
    place, _ = places(folder)["row-4.png"]
    length = (folder / "images.zip").read_bytes().index(ROWS[3].picture or b"") - place

    for at in range(length):
        change(folder, place + at)
        health = verified(folder)
        assert [damage.member.name for damage in health.damaged] == ["row-4.png"], at
        change(folder, place + at)
    assert verified(folder).is_whole


def test_bytes_with_the_right_crc_are_judged_by_their_digest(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        ledger.execute("UPDATE images SET sha256 = zeroblob(32) WHERE attempt_id = 2")
        ledger.commit()

    [damage] = verified(folder).damaged

    assert (damage.member.name, damage.problem) == (
        "row-2.png",
        "its bytes have changed (SHA-256)",
    )


def test_any_changed_byte_behind_the_images_is_found(folder: Path) -> None:
    path = folder / "images.zip"
    with closing(Ledger(folder / "run.db")) as ledger:
        end = ledger.meta.archive_end
        entries = list(directory_entries(ledger))
    missed = []

    for at in range(end, path.stat().st_size):
        with path.open("r+b") as raw:
            byte = os.pread(raw.fileno(), 1, at)
            os.pwrite(raw.fileno(), bytes([byte[0] ^ 0x10]), at)
            file = DiskFile(path)
            if directory_damage(file, end, entries) is None:
                missed.append(at)
            file.close()
            os.pwrite(raw.fileno(), byte, at)

    # What no reader needs to find an image: in an entry versions, time and attributes;
    # in the metadata's header versions, flags, method, time, packed size and padding.
    assert len(missed) == (len(ROWS) + 1) * (4 + 4 + 6) + (2 + 2 + 2 + 4 + 4 + 20)
    assert verified(folder).is_whole


@pytest.mark.parametrize(
    ("cut", "damaged_count"),
    [(0, len(ROWS)), (0.5, len(ROWS) // 2)],
    ids=["all of it", "half of it"],
)
def test_what_a_short_file_lacks_is_named(
    cut: float, damaged_count: int, folder: Path
) -> None:
    path = folder / "images.zip"
    starts = sorted(place for place, _ in places(folder).values())
    with path.open("r+b") as file:
        file.truncate(starts[int(cut * len(starts))])

    health = verified(folder)

    assert health.damaged_count == damaged_count


def test_a_missing_file_is_missing_images(folder: Path) -> None:
    (folder / "images.zip").unlink()

    health = verified(folder)

    assert health.damaged_count == len(ROWS)
    assert not (folder / "images.zip").exists()


def test_a_directory_that_is_cut_is_no_damage_of_images(folder: Path) -> None:
    path = folder / "images.zip"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 5)

    health = verified(folder)

    assert (health.damaged_count, health.directory) == (0, "the directory is missing")


def test_a_folder_whose_outputs_are_old_is_judged_by_its_ledger(folder: Path) -> None:
    with open_folder(folder, None, None) as opened, opened.ledger.transaction():
        opened.ledger.meta.outputs = "stale"
    with (folder / "images.zip").open("ab") as file:
        file.write(b"torn")

    health = verified(folder)

    assert (health.is_whole, health.is_finished, health.images) == (
        True,
        False,
        len(ROWS),
    )


def test_while_a_run_works_its_stored_images_are_verified(folder: Path) -> None:
    with open_folder(folder, None, None):
        health = verified(folder)

    assert (health.is_whole, health.is_working, health.images) == (
        True,
        True,
        len(ROWS),
    )


def test_nothing_is_written(folder: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    verified(folder)

    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {name: after[name] for name in before} == before


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no run"):
        verified(tmp_path)


def test_progress_ends_at_the_whole(folder: Path) -> None:
    progress: list[tuple[int, int]] = []

    verify(folder, lambda *done: progress.append(done))

    assert (
        progress[-1][0]
        == progress[-1][1]
        == sum(len(row.picture or b"") for row in ROWS)
    )
    assert progress == sorted(progress)


@pytest.mark.parametrize("limit", ["LIMIT_16", "LIMIT_32"])
def test_a_directory_of_zip64_is_read(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(tmp_path)
    monkeypatch.setattr(zipformat, limit, 4 if limit == "LIMIT_16" else 40_000)
    with open_folder(folder, None, None) as opened:
        opened.archive.recover()
        write_outputs(opened.ledger, opened.archive, folder)

    assert verified(folder).is_whole
