"""Read Parquet in slices of typed columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PanicException, PolarsError

from batchgen.errors import SpecError
from batchgen.manifest.content import refuse_other_content
from batchgen.manifest.parquet_types import carried_as, reads_otherwise
from batchgen.manifest.table_source import SLICE_BYTES, Batch
from batchgen.manifest.wording import shown

_READ_BUFFER = 1024 * 1024


class ParquetSource:
    """A Parquet file whose schema was read; columns keep their types.

    Those that polars cannot hold are carried as something that says the same, or else
    are left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        refuse_other_content(path, "Parquet")
        with self._open() as file:
            schema = file.schema_arrow
            self._rows, self._bytes = file.metadata.num_rows, _cell_bytes(file.metadata)
        self.names: tuple[str, ...] = tuple(schema.names)
        self._schema = schema
        self._targets = {field.name: _target(field) for field in schema}
        if self._rows == 0:
            raise SpecError(f"{shown(path)}: no rows in the table")
        if len(self.dropped) == len(self._targets):
            raise SpecError(next(iter(self.unreadable.values()), "no columns"))

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Columns whose values cannot be read as they are, and what to do."""
        return {
            field.name: (
                f"{shown(self.path)}, column `{field.name}`: its type {field.type} "
                "cannot be read; write the column as text, or drop it"
            )
            for field in self._odd_fields()
        }

    @property
    def dropped(self) -> frozenset[str]:
        """Columns that cannot be carried to the result table."""
        return frozenset(name for name, kind in self._targets.items() if kind is None)

    @property
    def notices(self) -> tuple[str, ...]:
        """What becomes of columns that cannot be carried as they are."""
        return tuple(self._notice(field) for field in self._odd_fields())

    def _odd_fields(self) -> Iterator[pa.Field]:
        for field in self._schema:
            if self._targets[field.name] is None or reads_otherwise(field.type):
                yield field

    def _notice(self, field: pa.Field) -> str:
        target = self._targets[field.name]
        fate = "left out of" if target is None else f"carried as {target} to"
        return (
            f"{shown(self.path)}, column `{field.name}`: its type {field.type} cannot "
            f"be read, so the column is {fate} the result table"
        )

    def empty(self) -> pl.DataFrame:
        """Return the columns that can be carried, without rows."""
        fields = [(name, kind) for name, kind in self._targets.items() if kind]
        return _as_frame(pl.from_arrow(pa.schema(fields).empty_table()))

    def batches(self, size: int) -> Iterator[Batch]:
        fitting = max(1, SLICE_BYTES * self._rows // max(1, self._bytes))
        done = 0
        with self._open() as file:
            if file.schema_arrow != self._schema:
                raise SpecError(f"{shown(self.path)}: changed while it was read")
            # Threads and whole column chunks would buy speed with memory.
            for batch in file.iter_batches(min(size, fitting), use_threads=False):
                batch.validate(full=True)  # text that is not UTF-8 must not get further
                done += batch.num_rows
                yield Batch(self._frame(batch), None)
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

    def _frame(self, batch: pa.RecordBatch) -> pl.DataFrame:
        """Return the columns of a batch that can be carried."""
        columns = {
            name: column.cast(target)
            for name, column in zip(self.names, batch.columns, strict=True)
            if (target := self._targets[name]) is not None
        }
        # Columns alone: polars panics over metadata that is not UTF-8.
        table = pa.Table.from_arrays(list(columns.values()), names=list(columns))
        try:
            return _as_frame(pl.from_arrow(table))
        except PanicException as error:
            kinds = ", ".join(
                f"`{field.name}` ({field.type})" for field in self._schema
            )
            raise SpecError(
                f"{shown(self.path)}: some column cannot be read, write it as text or "
                f"drop it: {kinds}: {error}"
            ) from error


def _target(field: pa.Field) -> pa.DataType | None:
    """Return the type under which a column is carried; None where it cannot be."""
    target = carried_as(field.type)
    try:
        empty = pa.schema([field.remove_metadata()]).empty_table().column(0)
        return target if target is None else empty.cast(target).type
    except pa.ArrowException:
        return None


def _as_frame(read: pl.DataFrame | pl.Series) -> pl.DataFrame:
    """Return what polars read of a table; its signature allows for arrays, too."""
    frame = read if isinstance(read, pl.DataFrame) else read.to_frame()
    # Each slice would bring categories of its own, which one table cannot hold.
    return frame.cast({cs.categorical(): pl.String, cs.enum(): pl.String})


def _cell_bytes(metadata: pq.FileMetaData) -> int:
    groups = range(metadata.num_row_groups)
    return sum(metadata.row_group(group).total_byte_size for group in groups)
