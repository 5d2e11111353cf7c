"""`report --compact` and `report --verify` as a user gives them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.runner.folder import open_folder
from tests.cli.command import batchgen, digest
from tests.report.keeping import (
    LIVE,
    ROWS,
    make_folder,
    make_folder_with_dead_bytes,
    names,
    streamed,
)


def damage(folder: Path, at: int) -> None:
    path = folder / "images.zip"
    data = bytearray(path.read_bytes())
    data[data.index(ROWS[at].picture or b"") + 99] ^= 1
    path.write_bytes(data)


def test_compacting_says_what_is_free_again_and_what_that_costs(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path / "out")
    size = (folder / "images.zip").stat().st_size

    ended = batchgen("report", "out", "--compact", "--verify", at=tmp_path)

    freed = size - (folder / "images.zip").stat().st_size
    assert ended.code == 0, ended
    assert f"compacted: {freed:,} bytes are free again" in ended.stdout
    assert f"3 images without a row removed, {len(LIVE)} images kept" in ended.stdout
    assert "bought again only with --rebuy" in ended.stdout
    assert f"{len(LIVE)} images" in ended.stdout.splitlines()[-1]
    assert streamed(folder) == names()


def test_with_nothing_dead_the_zip_is_left_alone(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "out")
    before = digest(folder / "images.zip")

    ended = batchgen("report", "out", "--compact", at=tmp_path)

    assert ended.code == 0, ended
    assert f"nothing to compact: the ZIP holds {len(ROWS)} images" in ended.stdout
    assert digest(folder / "images.zip") == before


def test_without_images_there_is_nothing_to_do(tmp_path: Path) -> None:
    with open_folder(tmp_path / "out", tmp_path / "m.csv", "loopback"):
        pass

    ended = batchgen("report", "out", "--compact", "--verify", at=tmp_path)

    assert ended.code == 0, ended
    assert not (tmp_path / "out" / "images.zip").exists()


def test_a_run_at_work_is_told_and_nothing_is_changed(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path / "out")
    before = digest(folder / "images.zip")

    with open_folder(folder, None, None):
        ended = batchgen("report", "out", "--compact", at=tmp_path)

    assert ended.code == 1
    assert "another batchgen works on" in ended.message
    assert digest(folder / "images.zip") == before


def test_damaged_images_are_named_with_their_rows_and_the_way_out(
    tmp_path: Path,
) -> None:
    folder = make_folder(tmp_path / "out")
    damage(folder, 3)
    damage(folder, 5)
    before = digest(folder / "images.zip")

    ended = batchgen("report", "out", "--verify", at=tmp_path)

    assert ended.code == 1
    first, second = ended.stdout.splitlines()
    assert first.startswith('damaged: row-4.png (row "r3", image 1): ')
    assert second.startswith('damaged: row-6.png (row "r5", image 1): ')
    assert f"2 of {len(ROWS)} images are damaged" in ended.message
    assert "batchgen retry RUN --status succeeded --ids FILE" in ended.message
    assert "about $0.185" in ended.message
    assert digest(folder / "images.zip") == before


def test_the_way_out_works(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "out")
    damage(folder, 3)
    (tmp_path / "ids.txt").write_text("r3\n")
    words = ("--status", "succeeded", "--ids", "ids.txt")
    assert batchgen("retry", "out", *words, at=tmp_path).code == 0

    verified = batchgen("report", "out", "--verify", at=tmp_path)
    compacted = batchgen("report", "out", "--compact", "--verify", at=tmp_path)

    assert verified.code == 0, verified
    assert "the ZIP's directory is older than the ledger" in verified.stdout
    assert compacted.code == 0, compacted
    assert "row-4.png" not in streamed(folder)


def test_compacting_refuses_a_damaged_image(tmp_path: Path) -> None:
    folder = make_folder_with_dead_bytes(tmp_path / "out")
    damage(folder, 3)
    before = digest(folder / "images.zip")

    ended = batchgen("report", "out", "--compact", at=tmp_path)

    assert ended.code == 1
    assert "row-4.png is damaged" in ended.message
    assert "--verify" in ended.message
    assert digest(folder / "images.zip") == before


def test_a_directory_that_is_damaged_is_written_anew_by_a_report(
    tmp_path: Path,
) -> None:
    folder = make_folder(tmp_path / "out")
    path = folder / "images.zip"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 5)

    damaged = batchgen("report", "out", "--verify", at=tmp_path)
    batchgen("report", "out", at=tmp_path)
    mended = batchgen("report", "out", "--verify", at=tmp_path)

    assert damaged.code == 1
    assert "every image is whole, but the directory is missing" in damaged.message
    assert mended.code == 0, mended


@pytest.mark.parametrize("word", ["--verify", "--compact", None])
def test_a_ledger_of_an_older_batchgen_is_brought_up_to_date(
    word: str | None, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "out")
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        ledger.executescript(
            "DROP VIEW waiting_rows; DROP TABLE parents;"
            "DROP VIEW removed_images; DROP VIEW paid_rows; DROP TABLE former_keys;"
            "DROP INDEX plan_by_kept;"
            "ALTER TABLE plan DROP COLUMN key;"
            "ALTER TABLE plan DROP COLUMN fingerprint;"
            "ALTER TABLE plan DROP COLUMN former;"
            "ALTER TABLE plan DROP COLUMN kept_for;"
            "ALTER TABLE plan DROP COLUMN took;"
            "ALTER TABLE attempts DROP COLUMN charge_before_bill;"
            "ALTER TABLE attempts DROP COLUMN cost_before_bill;"
            "ALTER TABLE attempts DROP COLUMN uncertain_before_bill;"
            "ALTER TABLE attempts DROP COLUMN first_ceiling;"
            "ALTER TABLE attempts DROP COLUMN floor;"
            "ALTER TABLE attempts DROP COLUMN uncertain;"
            "DROP INDEX images_lacking;"
            "ALTER TABLE images DROP COLUMN from_text;"
            "PRAGMA user_version = 4;"
        )

    words = [word] if word else []
    ended = batchgen("report", "out", *words, at=tmp_path)

    assert ended.code == 0, ended
