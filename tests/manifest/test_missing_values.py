from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from batchgen.manifest.missing_values import is_missing


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param(" \t\r\n\xa0\u3000", id="white-space"),
        pytest.param("\u200b\ufeff", id="characters-that-nobody-sees"),
        pytest.param(" nan ", id="pandas"),
        pytest.param("None", id="python"),
        pytest.param("NULL", id="sql"),
        pytest.param("<NA>", id="pandas-nullable"),
        pytest.param("NA", id="r"),
        pytest.param("undefined", id="javascript"),
        pytest.param("#N/A", id="excel-not-available"),
        pytest.param("#REF!", id="excel-reference"),
        pytest.param("#DIV/0!", id="excel-division"),
        pytest.param("#NAME?", id="excel-name"),
        pytest.param("#BEZUG!", id="excel-in-german"),
        pytest.param("-", id="dash"),
        pytest.param(float("nan"), id="not-a-number"),
        pytest.param(Decimal("NaN"), id="not-a-decimal"),
        pytest.param([], id="empty-list"),
    ],
)
def test_a_cell_without_a_value_is_missing(cell: object) -> None:
    assert is_missing(cell)


@pytest.mark.parametrize(
    "cell",
    ["Nan", "none", "Null Island", "#1", "-1", "0", 0, 0.0, False, ["x"], "N", "NaCl"],
    ids=str,
)
def test_a_cell_that_says_something_has_a_value(cell: object) -> None:
    assert not is_missing(cell)


def test_what_polars_makes_of_gaps_is_missing() -> None:
    frame = pl.DataFrame({"a": [None, 1.5], "b": [[], ["x"]]})

    assert [list(map(is_missing, row)) for row in frame.iter_rows()] == [
        [True, True],
        [False, False],
    ]
