"""What a spreadsheet did to values is said once a column, with the first row."""

from __future__ import annotations

import pytest

from batchgen.manifest.manifest import Manifest
from tests.manifest.conftest import MakeJob


def advice(make_job: MakeJob, rows: list[str], header: str = "id,prompt") -> list[str]:
    manifest = Manifest.open(make_job("\n".join([header, *rows]) + "\n"))
    for _ in manifest.slices(3):
        pass
    return list(manifest.advice())


def test_errors_of_formulas_are_counted_by_column(make_job: MakeJob) -> None:
    rows = ["1,a,x", "2,b,#REF!", "3,c,y", "4,d,z", "5,e,#NAME?"]

    (notice,) = advice(make_job, rows, "id,prompt,size")

    assert notice.startswith(
        "m.csv, column `size`: 2 cells, such as #REF! in row 1, line 3, each look like "
        "an error of a formula"
    )


def test_rounded_numbers_are_said(make_job: MakeJob) -> None:
    (notice,) = advice(make_job, ["6.9E+12,a", "1234,b"])

    assert notice.startswith(
        "m.csv, column `id`: 6.9E+12 in row 0, line 2 looks like a number that a "
        "spreadsheet rounded"
    )


@pytest.mark.parametrize("value", ["3-Jan", "Mar-01", "2026-03-01", "01.03.2026"])
def test_codes_that_became_dates_are_said(make_job: MakeJob, value: str) -> None:
    (notice,) = advice(make_job, ["3-9,a", f"{value},b", "4-7,c"])

    assert notice.startswith(
        f"m.csv, column `id`: {value} in row 1, line 3 looks like a date"
    )


def test_numbers_that_lost_zeros_are_said(make_job: MakeJob) -> None:
    whole = [f"4{n * 7919:012},a" for n in range(1, 12)]

    (notice,) = advice(make_job, [*whole, "123456789012,b"])

    assert notice.startswith(
        "m.csv, column `id`: 123456789012 in row 11, line 13 looks like a number that "
        "lost zeros at its beginning, since others have 13 digits"
    )


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([f"{n},a" for n in range(9995, 10030)], id="counted-up"),
        pytest.param([f"{n * 37:05},a" for n in range(300, 900)], id="zeros-are-there"),
        pytest.param(["abc-12,a", "may-be,b", "x-01,c"], id="codes"),
        pytest.param(["2026-01-01,a", "2026-01-02,b"], id="all-dates"),
        pytest.param(["A-4012345678901,a", "123456789012,b"], id="mixed"),
    ],
)
def test_good_ids_are_taken_without_a_word(make_job: MakeJob, rows: list[str]) -> None:
    assert advice(make_job, rows) == []
