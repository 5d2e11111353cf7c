"""Convert rows of a frame to Python objects, whose dates have years from 1 to 9999."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import repeat
from typing import Any

import polars as pl
from polars.datatypes import DataTypeClass

from batchgen.manifest.table_source import Batch

_EPOCH = date(1970, 1, 1)
_INT64 = 2**63 - 1
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}


def cells_of(batch: Batch, columns: Sequence[str]) -> Iterable[Mapping[str, object]]:
    """Yield some cells of each row, by column."""
    if not columns:  # a template without columns: there are rows nevertheless
        return repeat(dict[str, object](), batch.frame.height)
    return as_rows(batch.frame.select(columns))


def as_rows(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield rows; dates, times and durations that Python cannot represent become None.

    polars would panic over them.
    """
    temporal = [column for column in frame if _has_times(column.dtype)]
    return frame.with_columns(map(_within_limits, temporal)).iter_rows(named=True)


def _has_times(kind: pl.DataType) -> bool:
    match kind:
        case pl.List(inner=inner) | pl.Array(inner=inner):
            return _has_times(_instance(inner))
        case pl.Struct(fields=fields):
            return any(_has_times(_instance(field.dtype)) for field in fields)
        case _:
            return _limits(kind) is not None


def _instance(kind: pl.DataType | DataTypeClass) -> pl.DataType:
    return kind if isinstance(kind, pl.DataType) else kind()


def _within_limits(column: pl.Series) -> pl.Series:
    """Return the column with cells beyond the limits as null.

    If a cell of a nested column is beyond them, the whole column becomes null.
    """
    limits = _limits(column.dtype)
    if limits is None:
        return column if _is_within(column) else column.clear(len(column))
    if _is_within(column):
        return column
    is_within = column.to_physical().cast(pl.Int64).is_between(*limits)
    return (
        column.to_frame()
        .select(pl.when(is_within).then(pl.col(column.name)))
        .to_series()
    )


def _is_within(column: pl.Series) -> bool:
    match column.dtype:
        case pl.List():
            return _is_within(column.explode())
        case pl.Array():
            return _is_within(column.arr.explode())
        case pl.Struct(fields=fields):
            parts = (column.struct.field(field.name) for field in fields)
            return all(map(_is_within, parts))
        case kind if (limits := _limits(kind)) is not None:
            numbers = column.to_physical().cast(pl.Int64)
            return numbers.is_between(*limits).all()
        case _:
            return True


def _limits(kind: pl.DataType) -> tuple[int, int] | None:
    match kind:
        case pl.Date():
            return (date.min - _EPOCH).days, (date.max - _EPOCH).days
        case pl.Datetime(time_unit=unit):
            # One day less at either end, since a time zone shifts the date.
            day = timedelta(days=1)
            first = datetime.combine(date.min + day, time(), UTC)
            last = datetime.combine(date.max - day, time(), UTC)
            low, high = int(first.timestamp()), int(last.timestamp())
        case pl.Duration(time_unit=unit):
            high = int(timedelta.max.total_seconds()) - 1
            low = -high
        case _:
            return None
    per_second = _PER_SECOND[unit]
    return max(low * per_second, -_INT64 - 1), min(high * per_second, _INT64)
