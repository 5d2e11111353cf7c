"""Rows that ask for the same are bought once when the job says so."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest

from tests.acceptance.batch import Batch
from tests.acceptance.conftest import rehearsal
from tests.books import Books
from tests.law import check_archive

CUP, POT = "A cup on a table", "A pot on a table"


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    return rehearsal(tmp_path, "aimlapi", "--dedupe")


def write(batch: Batch, rows: Iterable[tuple[str, str]]) -> None:
    batch.write([{"id": name, "prompt": prompt} for name, prompt in rows])


def finish(batch: Batch, *more: str, code: int = 0) -> Books:
    ended = batch.run(*more)
    assert ended.code == code, ended
    assert "the same to the nano-dollar" in ended.stdout
    return batch.books()


def table_of(batch: Batch) -> dict[str, dict[str, object]]:
    rows = pl.read_parquet(batch.table).rows(named=True)
    return {row["id"]: row for row in rows}


def members(batch: Batch) -> list[str]:
    with zipfile.ZipFile(batch.archive) as archive:
        return archive.namelist()


def test_the_others_point_to_the_images_of_the_first(batch: Batch) -> None:
    write(batch, [("a", CUP), ("b", POT), ("c", CUP), ("d", CUP)])

    books = finish(batch)

    rows = table_of(batch)
    assert sorted(request["body"]["prompt"] for request in books.requests) == [CUP, POT]
    assert [rows[row_id]["shared_with"] for row_id in "abcd"] == [None, None, "a", "a"]
    assert {row["status"] for row in rows.values()} == {"succeeded"}
    assert rows["c"]["files"] == rows["a"]["files"] != rows["b"]["files"]
    assert [rows["c"][name] for name in ("cost_usd", "attempts", "estimated_usd")] == [
        0
    ] * 3
    assert rows["a"]["cost_usd"] == books.rows[0]["cost_usd"] != 0
    assert members(batch) == ["metadata.jsonl", "a.png", "b.png"]
    check_archive(books)


def test_what_was_bought_is_taken_over_under_another_id_and_shared(
    batch: Batch,
) -> None:
    write(batch, [("a", CUP), ("b", POT)])
    finish(batch)
    write(batch, [("late", CUP), ("b", POT), ("later", CUP)])

    books = finish(batch)

    rows = table_of(batch)
    assert len(books.requests) == 2
    assert [rows[row]["shared_with"] for row in rows] == [None, None, "late"]
    assert books.superseded == 0
    assert members(batch) == ["metadata.jsonl", "a.png", "b.png"]


def test_without_the_word_each_row_is_bought(batch: Batch) -> None:
    plain = Batch(folder=batch.folder, options=batch.options[:-1])
    write(batch, [("a", CUP), ("b", CUP)])

    books = finish(plain)

    assert len(books.requests) == 2
    assert "shared_with" not in pl.read_parquet(batch.table).columns
    assert len(finish(batch).requests) == 2, "what is bought stays as it is"


def test_rows_share_a_refusal_and_are_tried_again_together(batch: Batch) -> None:
    write(batch, [("a", "REFUSE-ME"), ("b", "REFUSE-ME")])
    books = finish(batch, code=3)
    assert [row["status"] for row in table_of(batch).values()] == ["refused"] * 2
    (batch.folder / "ids").write_text("b\n")

    retry = batch.call("retry", "out", "--ids", "ids", "--status", "refused")

    assert retry.code == 0, retry
    assert "1 row is marked" in retry.stdout
    again = finish(batch, code=3)
    assert len(again.requests) == len(books.requests) + 1
