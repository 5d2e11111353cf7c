"""No cell of a CSV is calculated by whoever opens it."""

from __future__ import annotations

import csv
from decimal import Decimal
from io import StringIO
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchgen.errors import SpecError
from batchgen.output.cost_report import ResultTables, csv_of
from batchgen.output.spreadsheet_cells import plain_cell, safe_cell
from tests.output.test_costs import table_of
from tests.output.test_table import DONE

FORMULAS = {
    "equals": '=HYPERLINK("https://x.example")',
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "at": "@SUM(1+1)",
    "tab": "\t=1+1",
    "return": "\r=1+1",
    "line-break": "\n=1+1",
    "full-width": "\uff1d1+1",
    "full-width-at": "\uff20SUM(1)",
    "apostrophe-before": "'=1+1",
    "phone": "+49 (30) 1234",
}
PLAIN = (
    "",
    "a",
    "a=b",
    "3-4",
    "'tis",
    "-5",
    "+5.25",
    "-1,000.50",
    "-3e5",
    "-12%",
    "a;b",
)


@pytest.mark.parametrize("text", FORMULAS.values(), ids=FORMULAS)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert safe_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["=1", "+4", "@x", "'=1", "-a", "tis", "'tis", ""])
def test_the_apostrophe_can_be_taken_off(text: str) -> None:
    assert plain_cell(safe_cell(text)) == text


@pytest.mark.parametrize("text", PLAIN)
def test_numbers_and_other_texts_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


@pytest.mark.parametrize("text", ["a;=1+1", "a\t@x", "a\n-2+3"])
def test_a_formula_behind_another_separator_is_none_either(text: str) -> None:
    assert safe_cell(text) == f"{text[:2]}'{text[2:]}"


def test_a_report_of_costs_holds_no_formula_and_its_numbers_stay(
    tmp_path: Path,
) -> None:
    brands = ["=cmd|' /C calc'!A0", "-5", "Acme"]
    table_of(tmp_path / "t.parquet", [DONE] * 3, pl.DataFrame({"=brand": brands}))
    tables = ResultTables([tmp_path / "t.parquet"], [])

    text = csv_of([tables.costs(["=brand"])])

    header, *lines = csv.reader(StringIO(text))
    assert header[0] == "'=brand"
    assert {line[0] for line in lines} == {"'=cmd|' /C calc'!A0", "-5", "Acme"}
    assert all(Decimal(line[header.index("cost_usd")]) > 0 for line in lines)


def test_a_small_file_that_claims_to_hold_a_million_rows_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"status": pa.array(["x"] * 1_000_000)}), path)

    with pytest.raises(SpecError, match="claim to hold 1,000,000 rows"):
        ResultTables([path], [])
