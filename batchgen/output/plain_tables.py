"""Small Parquet tables, read and written whole as plain records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

Record = dict[str, Any]


def read_records(path: Path) -> list[Record]:
    """Return the lines of a table."""
    return pl.read_parquet(path).to_dicts()


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write lines of any columns as a table; what a line lacks is null."""
    pl.DataFrame(records, infer_schema_length=None).write_parquet(path)
