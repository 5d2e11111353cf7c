"""Count rows of a frame that lack values, fast: polars sorts out complete rows."""

from __future__ import annotations

import polars as pl

from batchgen.manifest.frame_rows import as_rows
from batchgen.manifest.gaps import GapFinder, Gaps
from batchgen.manifest.missing_values import BLANKS, MISSING_TEXTS

_MISSING = pl.Series([*sorted(MISSING_TEXTS), ""])


def count_gaps(finder: GapFinder, frame: pl.DataFrame, gaps: Gaps) -> None:
    """Add the rows of a frame to the count.

    Args:
        finder: Checks the remaining rows one by one.
        frame: The columns of `finder`.
        gaps: The count so far.
    """
    columns = [pl.col(name) for name in finder.columns]
    candidates = frame.filter(pl.any_horizontal(map(_may_be_missing, columns, frame)))
    gaps.rows += frame.height - candidates.height
    for cells in as_rows(candidates):
        finder.count(gaps, finder.missing_in(cells))


def _may_be_missing(column: pl.Expr, series: pl.Series) -> pl.Expr:
    """Select all cells without a value, and perhaps some others."""
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
