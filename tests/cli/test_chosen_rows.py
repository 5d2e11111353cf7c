"""A choice of rows is for one run: nothing is bought twice when it changes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from tests.cli.command import batchgen

HEADER = "id,prompt,brand,stock\n"
LINES = [f"{n},mug {n},{'Brio' if n % 2 else 'Lego'},{n}\n" for n in range(8)]
TABLE = HEADER + "".join(LINES)
REHEARSE = ("--rehearse", "--provider", "gemini", "--latency", "0", "--out", "out/t")


def run(tmp_path: Path, *choice: str, table: str = "t.csv", code: int = 0) -> str:
    ended = batchgen("run", table, *REHEARSE, *choice, at=tmp_path)
    assert ended.code == code, ended.stderr
    return ended.stdout + ended.stderr


def results(tmp_path: Path) -> pl.DataFrame:
    return pl.read_parquet(tmp_path / "out/t/results.parquet")


def statuses(tmp_path: Path) -> dict[str, str]:
    rows = results(tmp_path).select("id", "status").iter_rows()
    return {row_id: status for row_id, status in rows if status != "pending"}


def purchases(tmp_path: Path) -> Sequence[int]:
    attempts = pl.read_parquet(tmp_path / "out/t/attempts.parquet")
    return sorted(
        attempts.get_column("row").to_list(), key=lambda row: (row is None, row)
    )


def test_a_choice_after_another_buys_each_row_once(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)

    first = run(tmp_path, "--where", "brand = 'Brio' and stock > 2")
    assert "3 of 8 rows are chosen" in first
    assert "3 rows: 3 succeeded" in first
    assert set(statuses(tmp_path)) == {"3", "5", "7"}
    second = run(tmp_path, "--rows", "0-3")
    assert "4 rows: 4 succeeded" in second
    assert set(statuses(tmp_path)) == {"0", "1", "2", "3", "5", "7"}
    names = results(tmp_path).get_column("files").to_list()
    run(tmp_path)

    table = results(tmp_path)
    assert table.get_column("row").to_list() == list(range(8))
    assert set(table.get_column("status")) == {"succeeded"}
    assert purchases(tmp_path) == list(range(8))
    with zipfile.ZipFile(tmp_path / "out/t/images.zip") as archive:
        images = [name for name in archive.namelist() if not name.endswith("jsonl")]
        assert sorted(images) == sorted(
            file["name"] for files in table.get_column("files") for file in files
        )
    kept = [files for files in names if files]
    assert kept == [table["files"][row].to_list() for row in (0, 1, 2, 3, 5, 7)]


def test_rows_of_another_choice_stay_where_the_table_is_edited(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    run(tmp_path, "--rows", "0-3")

    # A new row above all, an edit of a bought row, and a row that vanished.
    edited = [
        "new,mug new,Lego,9\n",
        "0,another mug,Lego,0\n",
        *LINES[1:3],
        *LINES[4:],
    ]
    (tmp_path / "t.csv").write_text(HEADER + "".join(edited))
    run(tmp_path, "--where", "id = '6'")

    assert statuses(tmp_path).keys() == {"1", "2", "6"}
    assert len(purchases(tmp_path)) == 5
    refused = batchgen("run", "t.csv", *REHEARSE, at=tmp_path)
    assert refused.code == 2
    assert "--rebuy" in refused.stderr
    assert len(purchases(tmp_path)) == 5


@pytest.mark.parametrize(
    "choice", [("--where", "stok > 0"), ("--first-by", "x"), ("--ids", "none.txt")]
)
def test_a_wrong_choice_makes_no_folder(
    tmp_path: Path, choice: tuple[str, str]
) -> None:
    (tmp_path / "t.csv").write_text(TABLE)

    run(tmp_path, *choice, code=1)

    assert not (tmp_path / "out").exists()


def test_check_counts_the_chosen_rows_alone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    words = ("check", "t.csv", "--provider", "gemini", "--first-by", "brand", "--json")

    ended = batchgen(*words, at=tmp_path)

    document = json.loads(ended.stdout)
    assert document["rows"]["pending"] == 2
    assert document["to_buy"]["images"] == 2
    assert any("2 of 8 rows are chosen" in notice for notice in document["notices"])


@pytest.mark.parametrize("pattern", ["parts/*.csv", None])
def test_several_files_are_bought_as_one_table(
    tmp_path: Path, pattern: str | None
) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/a.csv").write_text("id,prompt\n1,a mug\n2,\n")
    (tmp_path / "parts/b.csv").write_text("prompt,id,n\na cup,3,\na jar,4,x\n")
    sources = [pattern] if pattern else ["parts/a.csv", "parts/b.csv"]
    words = ("--rehearse", "--provider", "gemini", "--latency", "0")

    ended = batchgen("run", *sources, *words, at=tmp_path)

    assert ended.code == 3
    assert "parts/a.csv, row 1, line 3, column `prompt`" in ended.stdout
    assert "parts/b.csv, row 3, line 3, column `n`" in ended.stdout
    folder = tmp_path / "out/parts-rehearsal"
    assert pl.read_parquet(folder / "results.parquet")["id"].to_list() == [
        *("1", "2", "3", "4")
    ]
    again = batchgen("run", *sources, *words, at=tmp_path)
    assert pl.read_parquet(folder / "attempts.parquet").height == 2
    assert "parts/b.csv, row 3, line 3" in again.stdout
