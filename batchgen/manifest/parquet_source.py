"""Read Parquet in slices of typed columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from batchgen.errors import SpecError
from batchgen.manifest.source import SLICE_BYTES, Batch
from batchgen.manifest.wording import shown

_READ_BUFFER = 1024 * 1024


class ParquetSource:
    """A Parquet file whose schema was read; columns keep their types."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as file:
            schema = file.schema_arrow
            self._rows, self._bytes = file.metadata.num_rows, _cell_bytes(file.metadata)
        self.names: tuple[str, ...] = tuple(schema.names)
        self._schema = schema
        if self._rows == 0:
            raise SpecError(f"{shown(path)}: no rows in the table")

    def empty(self) -> pl.DataFrame:
        """Return the columns without rows.

        Raises:
            SpecError: a column's type cannot be carried to the result table.
        """
        return pl.DataFrame([self._empty_column(field) for field in self._schema])

    def batches(self, size: int) -> Iterator[Batch]:
        fitting = max(1, SLICE_BYTES * self._rows // max(1, self._bytes))
        done = 0
        with self._open() as file:
            if file.schema_arrow != self._schema:
                raise SpecError(f"{shown(self.path)}: changed while it was read")
            # Threads and whole column chunks would buy speed with memory.
            for batch in file.iter_batches(min(size, fitting), use_threads=False):
                batch.validate(full=True)  # text that is not UTF-8 must not get further
                # Columns alone: polars panics over metadata that is not UTF-8.
                table = pa.Table.from_arrays(batch.columns, names=list(self.names))
                done += batch.num_rows
                yield Batch(_as_frame(pl.from_arrow(table)), None)
        if done != self._rows:
            raise SpecError(
                f"{shown(self.path)}: broken: {done} of {self._rows} rows can be read"
            )

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(self.path, buffer_size=_READ_BUFFER) as file:
                yield file
        except (pa.ArrowException, PolarsError, OSError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise SpecError(
                f"{shown(self.path)}: not a whole Parquet file, write it anew: {reason}"
            ) from error

    def _empty_column(self, field: pa.Field) -> pl.Series:
        try:
            if pa.types.is_interval(field.type):
                raise pa.ArrowNotImplementedError("polars would panic")
            table = pa.schema([field.remove_metadata()]).empty_table()
            return _as_frame(pl.from_arrow(table)).to_series()
        except (pa.ArrowException, PolarsError) as error:
            raise SpecError(
                f"{shown(self.path)}, column `{field.name}`: its type {field.type} "
                "cannot be read; write it as text or drop it"
            ) from error


def _as_frame(read: pl.DataFrame | pl.Series) -> pl.DataFrame:
    """Return what polars read of a table; its signature allows for arrays, too."""
    frame = read if isinstance(read, pl.DataFrame) else read.to_frame()
    # Each slice would bring categories of its own, which one table cannot hold.
    return frame.cast({cs.categorical(): pl.String, cs.enum(): pl.String})


def _cell_bytes(metadata: pq.FileMetaData) -> int:
    groups = range(metadata.num_row_groups)
    return sum(metadata.row_group(group).total_byte_size for group in groups)
