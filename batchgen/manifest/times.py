"""Give a frame's rows to Python, which knows the years 1 to 9999 alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

_EPOCH = date(1970, 1, 1)
_INT64 = 2**63 - 1
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}


def as_rows(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield rows; a date, time or duration that Python has no object for is null.

    polars panics over such a one, which no caller can mend.
    """
    odd = [column for column in frame if _limits(column.dtype) is not None]
    return frame.with_columns(map(_within_limits, odd)).iter_rows(named=True)


def _within_limits(column: pl.Series) -> pl.Series:
    low, high = _limits(column.dtype) or (0, 0)
    numbers = column.to_physical().cast(pl.Int64)
    if numbers.is_between(low, high).all():
        return column
    kept = numbers.is_between(low, high)
    return column.to_frame().select(pl.when(kept).then(pl.col(column.name))).to_series()


def _limits(kind: pl.DataType) -> tuple[int, int] | None:
    match kind:
        case pl.Date():
            return (date.min - _EPOCH).days, (date.max - _EPOCH).days
        case pl.Datetime(time_unit=unit):
            # A day less at either end: time zones shift what is shown.
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
