"""The formats in which the result table also stands beside its Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

FORMATS = ("csv", "jsonl", "xlsx")
"""They are written from the Parquet file, which is always there."""
PARQUET = "parquet"
_LISTED = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"


def table_copy(table_format: str) -> str:
    """Return the file name of the result table in a format."""
    return f"results.{table_format}"


TABLE_COPIES = tuple(map(table_copy, FORMATS))


def read_formats(value: object) -> tuple[str, ...]:
    """Read formats: text parted by commas, or a list; `parquet` adds none.

    Raises:
        ValueError: one is unknown.
    """
    names: Sequence[Any] = value.split(",") if isinstance(value, str) else ()
    if isinstance(value, list | tuple):
        names = value
    formats = [_read_format(name) for name in names if name != ""]
    if not formats:
        raise ValueError(f"it names no format: choose from {_LISTED}")
    return tuple(name for name in FORMATS if name in formats)


def _read_format(name: object) -> str:
    table_format = str(name).strip().lower().removeprefix(".")
    if table_format in (*FORMATS, PARQUET):
        return table_format
    raise ValueError(
        f"{str(name)[:60]!r} is no format of a table: choose from {_LISTED}; "
        f"{PARQUET} is always written"
    )


def joined(formats: Iterable[str]) -> str:
    """Return formats as `read_formats` reads them."""
    return ",".join(formats) or PARQUET
