"""Read a table that an earlier run wrote; others may have changed the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batchgen.errors import StorageError
from batchgen.output.parquet import MODE, SOURCE
from batchgen.output.parquet_bomb import bomb_message
from batchgen.output.purchase_table import SCHEMA as PURCHASES_SCHEMA
from batchgen.output.result_table import SCHEMA as TABLE_SCHEMA

_ROWS_AT_ONCE = 2048
_NEEDED = {
    "attempts.parquet": ("attempt_id", "state", "provider", "sent_at", "images"),
    "results.parquet": ("row", "id", "status", "prompt", "files"),
}
_SCHEMAS = {"attempts.parquet": PURCHASES_SCHEMA, "results.parquet": TABLE_SCHEMA}

TableRow = Mapping[str, Any]
"""One row by batchgen's own columns; None for columns that an older batchgen lacked."""


class WrittenTable:
    """A table of a run folder.

    Attributes:
        mode: The kind of run; None if the table does not state it.
        source: SOURCE of the run, relative to the folder; None if the table does not
            state it.
    """

    def __init__(self, path: Path) -> None:
        """Open a table.

        Raises:
            StorageError: it cannot be read, or is no table of batchgen's.
        """
        self._path = path
        self._schema = _SCHEMAS[path.name]
        try:
            schema, bomb = pq.read_schema(path), bomb_message(path)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error
        if bomb is not None:
            raise StorageError(f"{path} is no table of batchgen's: {bomb}")
        if not set(_NEEDED[path.name]) <= set(schema.names):
            raise StorageError(f"{path} is no table of batchgen's")
        marks = schema.metadata or {}
        self._names = [name for name in self._schema.names if name in schema.names]
        self.mode = _text(marks.get(MODE.encode()))
        self.source = _text(marks.get(SOURCE.encode()))

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows in order.

        Raises:
            StorageError: the file is damaged, or a column has values of another type.
        """
        absent = dict.fromkeys(set(self._schema.names) - set(self._names))
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=self._names):
                    columns = [
                        batch.column(name).cast(self._schema.field(name).type)
                        for name in self._names
                    ]
                    table = pa.Table.from_arrays(columns, names=self._names)
                    for row in table.to_pylist():
                        yield {**row, **absent}
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> StorageError:
        reason = str(error).partition("\n")[0]
        return StorageError(f"{self._path} cannot be read: {reason}")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")
