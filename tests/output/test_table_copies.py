"""The result table in further formats: the same rows, exact, and nobody's formula."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from batchgen.errors import DiskFull, StorageError
from batchgen.output import workbook
from batchgen.output.result_table import write_table
from batchgen.output.spreadsheet_cells import safe_cell
from batchgen.output.table_copies import write_copy
from batchgen.output.table_formats import FORMATS, read_formats
from tests.output.test_spreadsheet import FORMULAS
from tests.output.test_table import DONE, UNPRICED, stream, write
from tests.small_disk import eat, small_disk

SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
COLUMNS = pl.DataFrame(
    {
        "brand": ["Größe", None],
        "stock": [2**60, 7],
        "tags": [["a", "b"], None],
        "scores": [[1.5, float("nan")], []],
        "photo": [b"\x00\x01", None],
        "rehearsed": ["mine", "mine"],
    }
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "results.parquet"
    write(path, [DONE, UNPRICED], COLUMNS)
    return path


def copy(table: Path, table_format: str) -> Path:
    path = table.with_suffix(f".{table_format}")
    write_copy(table, path, table_format)
    return path


def csv_rows(table: Path) -> list[dict[str, str]]:
    with copy(table, "csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def json_rows(table: Path) -> list[dict[str, object]]:
    lines = copy(table, "jsonl").read_text("utf-8").splitlines()
    return [json.loads(line, parse_float=Decimal) for line in lines]


def sheets(path: Path) -> list[list[dict[str, str | float]]]:
    """Return the rows of each sheet by column letter: numbers as they are, and text."""
    with zipfile.ZipFile(path) as book:
        assert book.testzip() is None
        names = sorted(name for name in book.namelist() if "worksheets/" in name)
        trees = [ElementTree.fromstring(book.read(name)) for name in names]
    return [
        [dict(map(cell_of, row)) for row in tree.iter(f"{SPACE}row")] for tree in trees
    ]


def cell_of(cell: ElementTree.Element) -> tuple[str, str | float]:
    assert cell.find(f"{SPACE}f") is None, "a formula"
    letters = re.sub(r"\d", "", cell.attrib["r"])
    if cell.attrib.get("t") == "inlineStr":
        return letters, "".join(cell.itertext())
    return letters, float("".join(cell.itertext()))


def test_csv_has_each_row_with_all_digits(table: Path) -> None:
    done, unpriced = csv_rows(table)

    assert (done["row"], done["id"], unpriced["row"]) == ("0", "00123", "1")
    assert done["prompt"] == DONE.prompt
    assert done["cost_usd"] == "0.089487501"
    assert done["at_risk_usd"] == "0.000000001"
    assert done["estimated_usd"] == "123456789.123456789"
    assert unpriced["cost_usd"] == ""
    assert done["files"] == "schuh/größe-42.png | schuh/größe-42-2.png"
    assert done["finished_at"] == "2026-11-20T21:59:59.123456Z"
    assert (done["brand"], done["stock"]) == ("Größe", str(2**60))
    assert (done["tags"], done["photo"]) == ('["a", "b"]', "(2 bytes)")
    assert (done["rehearsed"], done["batchgen_rehearsed"]) == ("mine", "false")


def test_csv_tells_excel_that_it_is_utf_8(table: Path) -> None:
    assert copy(table, "csv").read_bytes().startswith(b"\xef\xbb\xbfrow,")


def test_json_lines_have_the_values_of_parquet(table: Path) -> None:
    done, unpriced = json_rows(table)

    expected = pl.read_parquet(table).row(0, named=True)
    for name in ("id", "prompt", "files", "cost_usd", "estimated_usd", "stock", "tags"):
        assert done[name] == expected[name], name
    assert unpriced["cost_usd"] is None
    assert unpriced["files"] == []
    assert done["scores"] == [Decimal("1.5"), "nan"]
    assert (done["rehearsed"], done["batchgen_rehearsed"]) == ("mine", False)


def test_no_program_shows_an_early_time_as_another_day(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    times = [datetime(1900, 1, 1, tzinfo=UTC), datetime(1901, 1, 1, tzinfo=UTC)]
    pl.DataFrame({"when": times}).write_parquet(path)

    ((_, early, later),) = sheets(copy(path, "xlsx"))

    assert early["A"] == "1900-01-01T00:00:00.000000Z"
    assert later["A"] == 367.0


def test_a_workbook_has_numbers_where_excel_keeps_all_digits(table: Path) -> None:
    ((heading, done, unpriced),) = sheets(copy(table, "xlsx"))
    letters = {name: letter for letter, name in heading.items()}

    def cell(name: str) -> str | float | None:
        return done.get(letters[name])

    assert [*letters][:4] == ["row", "id", "status", "prompt"]
    assert cell("id") == "00123"
    assert cell("cost_usd") == 0.089487501
    assert cell("estimated_usd") == "123456789.123456789"  # 18 digits: a float has 15
    assert cell("stock") == str(2**60)
    assert cell("files") == "schuh/größe-42.png | schuh/größe-42-2.png"
    assert letters["cost_usd"] not in unpriced
    assert unpriced[letters["stock"]] == 7


def test_a_rehearsal_is_marked_in_every_row(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write_table(path, [([DONE], None)], None, mode="rehearsal")

    assert csv_rows(path)[0]["rehearsed"] == "true"
    assert json_rows(path)[0]["rehearsed"] is True
    assert [*sheets(copy(path, "xlsx"))[0][1].values()][-1] == 1
    with zipfile.ZipFile(path.with_suffix(".xlsx")) as book:
        assert b"rehearsed results" in book.read("xl/workbook.xml")


@pytest.mark.parametrize("text", FORMULAS.values(), ids=FORMULAS)
def test_no_text_is_a_formula(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.parquet"
    write(path, [replace(DONE, message=text)], pl.DataFrame({text: [text]}))

    (row,) = csv_rows(path)
    assert row["message"] == row[safe_cell(text)] == safe_cell(text)
    assert row["message"].startswith("'")
    assert json_rows(path)[0][text] == text
    copy(path, "xlsx")
    with zipfile.ZipFile(path.with_suffix(".xlsx")) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")
        assert b'quotePrefix="1"' in book.read("xl/styles.xml")


def test_a_name_of_a_file_is_no_formula_either(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    file = DONE.files[0]._replace(name="=1+1.png")
    write(path, [replace(DONE, files=(file,))])

    assert csv_rows(path)[0]["files"] == "'=1+1.png"


def test_what_a_sheet_cannot_hold_goes_on_in_a_further_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "SHEET_ROWS", 3)
    path = tmp_path / "results.parquet"
    rows = [replace(DONE, row=number, id=f"sku-{number}") for number in range(5)]
    write_table(path, [(rows, None)], None)

    pages = sheets(copy(path, "xlsx"))

    assert [len(rows) for rows in pages] == [3, 3, 2]
    assert [page[0] for page in pages] == [pages[0][0]] * 3
    numbers = [row["A"] for page in pages for row in page[1:]]
    assert numbers == [0, 1, 2, 3, 4]


def test_a_text_that_is_too_long_for_a_cell_says_that_it_was_cut(
    tmp_path: Path,
) -> None:
    path = tmp_path / "results.parquet"
    write(path, [replace(DONE, prompt="x" * 40_000)])

    row = sheets(copy(path, "xlsx"))[0][1]

    assert len(str(row["D"])) == 32_767
    assert str(row["D"]).endswith("x [cut: the whole text is in results.parquet]")


def test_more_columns_than_a_sheet_has_are_refused(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MAX_COLUMNS", 20)

    with pytest.raises(StorageError, match="choose csv or jsonl"):
        copy(table, "xlsx")

    assert not table.with_suffix(".xlsx").exists()


@pytest.mark.parametrize("table_format", FORMATS)
def test_a_table_without_rows_is_written(tmp_path: Path, table_format: str) -> None:
    path = tmp_path / "results.parquet"
    write_table(path, [], stream(COLUMNS.clear()))

    assert copy(path, table_format).is_file()


@pytest.mark.parametrize("table_format", FORMATS)
def test_a_full_disk_leaves_the_old_table(tmp_path: Path, table_format: str) -> None:
    table = tmp_path / "results.parquet"
    rows = [replace(DONE, row=row, prompt=f"{row}" * 3_000) for row in range(2_000)]
    write_table(table, [(rows, None)], None)
    with small_disk(tmp_path / "disk", 2**20) as disk:
        path = disk / f"results.{table_format}"
        path.write_text("old")
        eat(disk, 40_000)

        with pytest.raises(DiskFull, match="no space left"):
            write_copy(table, path, table_format)

        assert path.read_text() == "old"
        assert {entry.name for entry in disk.iterdir()} == {path.name, "eaten"}


@pytest.mark.parametrize(
    ("value", "formats"),
    [
        ("csv", ("csv",)),
        (" XLSX, .csv ", ("csv", "xlsx")),
        (["jsonl", "jsonl"], ("jsonl",)),
        ("parquet", ()),
    ],
)
def test_formats_are_read(value: object, formats: tuple[str, ...]) -> None:
    assert read_formats(value) == formats


@pytest.mark.parametrize("value", ["", [], "xls", "csv;xlsx", 5, [5], None])
def test_other_formats_are_refused_with_those_that_there_are(value: object) -> None:
    with pytest.raises(ValueError, match="choose from csv, jsonl or xlsx"):
        read_formats(value)
