"""Write the result table in further formats, from its Parquet file.

So each has the same rows in the same order, and reading the ledger again is not needed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from batchgen.errors import StorageError
from batchgen.output.column_texts import Texts, file_names, is_text, json_of, texts_of
from batchgen.output.parquet import MODE
from batchgen.output.spreadsheet_cells import BEGIN, safe_cell
from batchgen.output.whole import replacing

REHEARSED = "rehearsed"
"""Name of the last column: these formats have no other place for it, and nobody must
take a rehearsal's money for real."""

ROWS_AT_ONCE = 2048
_BOM = b"\xef\xbb\xbf"
_REHEARSAL = b"rehearsal"
_MAY_BE_RISKY = re.compile(rf"^'*[{BEGIN}]|[;\t\n][{BEGIN}]")


class SourceTable(NamedTuple):
    """A result table that is open to be copied.

    Attributes:
        names: Of its columns, in order; the last one is `rehearsed`.
    """

    file: pq.ParquetFile
    names: Sequence[str]
    is_rehearsal: bool

    @classmethod
    def of(cls, file: pq.ParquetFile) -> SourceTable:
        """Return the table that an open Parquet file has."""
        schema = file.schema_arrow
        mark = REHEARSED
        while mark in schema.names:
            mark = f"batchgen_{mark}"
        mode = (schema.metadata or {}).get(MODE.encode())
        return cls(file, (*schema.names, mark), mode == _REHEARSAL)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, some at a time."""
        if self.file.num_row_groups:  # older versions of Arrow fail without any
            yield from self.file.iter_batches(ROWS_AT_ONCE)


def write_copy(table: Path, path: Path, table_format: str) -> None:
    """Write the result table in another format: whole, or the old file stays.

    Memory holds a few thousand rows, however many there are.

    Args:
        table: The Parquet file.
        path: Replaced in one step once everything is on disk.
        table_format: One of `FORMATS`.

    Raises:
        DiskFull: the file system or the quota is full.
        StorageError: it cannot be written, or the format cannot hold the table.
    """
    with pq.ParquetFile(table) as parquet, replacing(path) as file:
        source = SourceTable.of(parquet)
        match table_format:
            case "csv":
                _write_csv(source, file)
            case "jsonl":
                _write_json_lines(source, file)
            case "xlsx":
                _write_workbook(source, file, path)
            case _:
                raise StorageError(f"no table is written as {table_format!r}")


def _write_workbook(source: SourceTable, file: BinaryIO, path: Path) -> None:
    # Imported here: few runs want a workbook.
    from batchgen.output.workbook import write_workbook

    write_workbook(source, file, path)


def _write_csv(source: SourceTable, file: BinaryIO) -> None:
    """Write CSV that Excel reads as UTF-8, without a cell that is a formula."""
    file.write(_BOM)
    text = TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow([safe_cell(name) for name in source.names])
    mark = str(source.is_rehearsal).lower()
    for batch in source.batches():
        columns = [
            _safe_texts(name, column)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        writer.writerows(zip(*columns, [mark] * batch.num_rows, strict=True))
    text.flush()
    text.detach()


def _safe_texts(name: str, column: pa.Array) -> Texts:
    if name == "files":
        texts = file_names(column)
    else:
        texts = texts_of(column)
        if not is_text(column.type) and not pa.types.is_nested(column.type):
            return texts
    search = _MAY_BE_RISKY.search
    return [
        safe_cell(text) if text is not None and search(text) else text for text in texts
    ]


def _write_json_lines(source: SourceTable, file: BinaryIO) -> None:
    # Assembled by hand: only so do amounts keep their digits, and a million rows take
    # seconds.
    keys = json_of(pa.array(source.names, pa.large_string()))
    parts = [f"{', ' if number else '{'}{key}: " for number, key in enumerate(keys)]
    end = f"{parts[-1]}{'true' if source.is_rehearsal else 'false'}}}\n"
    for batch in source.batches():
        columns = [json_of(column) for column in batch.columns]
        for values in zip(*columns, strict=True):
            pairs = zip(parts, values, strict=False)  # the last part is in `end`
            file.write("".join([*chain.from_iterable(pairs), end]).encode())
