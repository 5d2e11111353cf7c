"""A program may write formulas into a workbook, whose results nobody has computed."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
import xlsxwriter

from batchgen.manifest.manifest import Manifest
from tests.manifest.conftest import MakeJob

SHEET = "xl/worksheets/sheet1.xml"


def unfinished_workbook() -> bytes:
    """Return a sheet whose formulas have no results but one, which is empty text."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    page = book.add_worksheet("List")
    page.write_row(0, 0, ["id", "prompt", "colour"])
    page.write_row(1, 0, ["a", "a cup"])
    page.write_formula(1, 2, '=LOWER("RED")', None, 0)
    page.write_row(2, 0, ["b", "a mug"])
    page.write_formula(2, 2, '=IF(A1="","x","")', None, "none")
    page.write_formula(3, 2, '=LOWER("BLUE")', None, 0)
    page.write_row(3, 0, ["c", "a jar"])
    book.close()
    result = io.BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == SHEET:
                content = re.sub(rb"<v>(0|none)</v></c>", rb"<v></v></c>", content)
            new.writestr(name, content)
    return result.getvalue()


@pytest.mark.slow
def test_formulas_without_results_are_told(make_job: MakeJob) -> None:
    manifest = Manifest.open(make_job(unfinished_workbook(), "list.xlsx"))

    notices = [each for each in manifest.notices if "formula" in each]
    assert notices == [
        "list.xlsx, sheet `List`: 2 cells are formulas without a stored result, first "
        "in row 2, and read as empty: open the workbook in a spreadsheet and save it "
        "there, so that it holds the results"
    ]
