"""Count rows of a frame that lack values: fast, since most rows lack none."""

from __future__ import annotations

import polars as pl

from batchgen.manifest.gaps import GapFinder, Gaps
from batchgen.manifest.missing_values import BLANKS, MISSING_TEXTS
from batchgen.manifest.times import as_rows

_MISSING = pl.Series([*sorted(MISSING_TEXTS), ""])


def count_gaps(finder: GapFinder, frame: pl.DataFrame, gaps: Gaps) -> None:
    """Add the rows of a frame to the count.

    Args:
        finder: Judges the rows that may lack something, one by one.
        frame: The columns of `finder`.
        gaps: What was counted so far.
    """
    columns = [pl.col(name) for name in finder.columns]
    suspects = frame.filter(pl.any_horizontal(map(_may_be_missing, columns, frame)))
    gaps.rows += frame.height - suspects.height
    for cells in as_rows(suspects):
        finder.count(gaps, finder.lacks(cells))


def _may_be_missing(column: pl.Expr, series: pl.Series) -> pl.Expr:
    """Return which cells may have no value: all of those that have none, and others."""
    match series.dtype:
        case pl.String():
            text = column.str.strip_chars(BLANKS)
            return column.is_null() | text.is_in(_MISSING.implode())
        case pl.Float32() | pl.Float64():
            return column.is_null() | column.is_nan()
        case pl.List():
            return column.is_null() | (column.list.len() == 0)
        case kind if kind.is_integer() or kind == pl.Boolean():
            return column.is_null()
        case _:
            return pl.lit(value=True)
