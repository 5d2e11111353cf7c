"""Write the table for accounting: one line for each attempt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path

import pyarrow as pa

from batchgen.model import PurchaseRow
from batchgen.output.parquet import MOMENT, SOURCE, TEXT, USD, write_parquet

SCHEMA = pa.schema(
    {
        "row": pa.int64(),
        "id": TEXT,
        "attempt": pa.int32(),
        "attempt_id": pa.int64(),
        "sent_at": MOMENT,
        "accepted_at": MOMENT,
        "ended_at": MOMENT,
        "provider": TEXT,
        "model": TEXT,
        "resolution": TEXT,
        "images": pa.int32(),
        "state": TEXT,
        "request_id": TEXT,
        "task_id": TEXT,
        "cost_usd": USD,
        "cost_basis": TEXT,
        "at_risk_usd": USD,
        "expected_usd": USD,
        "ceiling_usd": USD,
        "error": TEXT,
        "message": TEXT,
        "retired": pa.bool_(),
        # Not for accounting: `batchgen recover` builds a ledger from these.
        "base_url": TEXT,
        "first_image": pa.int32(),
        "aspect_ratio": TEXT,
        "again": TEXT,
        "counts": pa.bool_(),
        "floor_usd": USD,
        "warning": TEXT,
        "latency_s": pa.float64(),
        "row_key": pa.int64(),
        "row_fingerprint": TEXT,
    }
)


def write_purchases(
    path: Path,
    slices: Iterable[Sequence[PurchaseRow]],
    mode: str | None = None,
    source: str | None = None,
) -> None:
    """Write the table whole, or leave the old one untouched.

    Args:
        path: Replaced in one step once everything is on disk.
        slices: Rows in order.
        mode: The kind of run; see `write_parquet`.
        source: SOURCE of the run, relative to the run folder, for the metadata.

    Raises:
        DiskFull: the file system or the quota is full.
        StorageError: it cannot be written.
    """
    schema = SCHEMA.with_metadata({SOURCE: source}) if source else SCHEMA
    write_parquet(path, _tables(slices, schema), schema, mode)


def _tables(
    slices: Iterable[Sequence[PurchaseRow]], schema: pa.Schema
) -> Iterator[pa.Table]:
    for rows in slices:
        columns = [
            pa.array(list(map(attrgetter(field.name), rows)), field.type)
            for field in SCHEMA
        ]
        yield pa.Table.from_arrays(columns, schema=schema)
