"""Write a Parquet file whole or not at all, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batchgen.output.whole import replacing

# A row group is what a reader fetches at once: enough rows to compress well, few
# enough bytes that long prompts do not fill the memory.
_GROUP_ROWS = 16_384
_GROUP_BYTES = 32 * 2**20

MODE = "batchgen.realm"
"""Key of a table's metadata for the kind of run: a rehearsal spends no real money."""
VERSION = "batchgen.version"
SOURCE = "batchgen.source"
"""SOURCE of the run, relative to the folder of the table."""

# Large, because a slice of long cells can exceed the 2 GiB limit of plain strings. In
# the Parquet file, and for its readers, there is no difference.
TEXT = pa.large_string()
USD = pa.decimal128(18, 9)
MOMENT = pa.timestamp("us", tz="UTC")


def write_parquet(
    path: Path,
    tables: Iterable[pa.Table],
    schema: pa.Schema,
    mode: str | None = None,
) -> None:
    """Write the tables as one file, or leave the old one untouched.

    Memory holds one row group, however many rows there are.

    Args:
        path: Replaced in one step once everything is on disk.
        tables: Small ones, all of this schema.
        schema: Of the file, which may have no rows.
        mode: The kind of run, for the file's metadata: the file alone must show whether
            its money is real or a rehearsal's.

    Raises:
        DiskFull: the file system or the quota is full.
        StorageError: it cannot be written.
    """
    marks = {VERSION: version("batchgen")} | ({MODE: mode} if mode else {})
    schema = schema.with_metadata({**(schema.metadata or {}), **marks})
    with (
        replacing(path) as file,
        pq.ParquetWriter(
            file, schema, compression="zstd", store_decimal_as_integer=True
        ) as writer,
    ):
        for group in _row_groups(tables):
            writer.write_table(group, row_group_size=group.num_rows)


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    rows = size_bytes = 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        size_bytes += table.nbytes
        if rows >= _GROUP_ROWS or size_bytes >= _GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size_bytes = [], 0, 0
    if rows:
        yield pa.concat_tables(waiting)


def mode_of(path: Path) -> str | None:
    """Return the kind of run in a table's metadata, else None.

    Also None for a file that cannot be read: reading its rows will report the error.
    """
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError):
        return None
    mode: bytes | None = metadata.get(MODE.encode())
    return None if mode is None else mode.decode(errors="replace")
