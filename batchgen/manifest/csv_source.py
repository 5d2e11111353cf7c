"""Read CSV in batches of text columns, with the exact line of each mistake.

Python's csv module parses the file, and not polars: it counts physical lines for
messages and for the table, and its strict mode refuses mistakes that a lenient reader
would correct by a guess. A wrong guess shifts cells, and a wrong image is bought.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import polars as pl

from batchgen.errors import SpecError
from batchgen.manifest.csv_dialect import Dialect, find_dialect
from batchgen.manifest.csv_records import LINE_LIMIT, Records
from batchgen.manifest.file_content import refuse_other_content
from batchgen.manifest.table_source import SLICE_BYTES, Batch
from batchgen.manifest.wording import shown


class CsvSource:
    """A CSV file whose header was read; each cell is text, or null if it is empty."""

    unreadable: Mapping[str, str] = MappingProxyType({})
    dropped: frozenset[str] = frozenset()

    def __init__(self, path: Path, expected: Collection[str] = ()) -> None:
        """Read the header.

        Args:
            path: Of the file.
            expected: Names that the header must have: they identify its line.

        Raises:
            SpecError: the file is no CSV, or has no header or no rows.
        """
        # The csv module only has a limit for the whole process.
        csv.field_size_limit(LINE_LIMIT)
        self.path = path
        refuse_other_content(path, "CSV")
        self._dialect: Dialect = find_dialect(path, frozenset(expected))
        self.notices: tuple[str, ...] = self._dialect.notices
        with path.open("rb") as file:
            records = iter(self._records(file))
            header = next(records, None)
            if header is None:
                raise SpecError(f"{shown(path)}: the file is empty; it needs a header")
            self.names = tuple(name.strip() for name in header[1])
            if self._dialect.title is not None:
                raise SpecError(self._dialect.title)
            if next(records, None) is None:
                raise SpecError(f"{shown(path)}: no rows below the header")

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=dict.fromkeys(self.names, pl.String))

    def batches(self, size: int) -> Iterator[Batch]:
        with self.path.open("rb") as file:
            records = self._records(file)
            numbered = iter(records)
            _, header = next(numbered, (0, []))
            if tuple(name.strip() for name in header) != self.names:
                raise SpecError(f"{shown(self.path)}: changed while it was read")
            while chunk := list(_until_full(numbered, records, size)):
                yield self._batch(chunk)

    def _records(self, file: BinaryIO) -> Records:
        delimiter = self._dialect.delimiter
        skips_first = self._dialect.skips_first
        return Records(self.path, file, delimiter, skips_first=skips_first)

    def _batch(self, chunk: list[tuple[int, list[str]]]) -> Batch:
        columns = zip(*(cells for _, cells in chunk), strict=True)
        frame = pl.DataFrame(
            [
                pl.Series(name, cells, dtype=pl.String)
                for name, cells in zip(self.names, columns, strict=True)
            ]
        )
        emptied = frame.select(pl.when(pl.all() != "").then(pl.all()))
        return Batch(emptied, [line for line, _ in chunk])


def _until_full(
    numbered: Iterator[tuple[int, list[str]]], records: Records, size: int
) -> Iterator[tuple[int, list[str]]]:
    start = records.read_bytes
    for _ in range(size):
        record = next(numbered, None)
        if record is None:
            return
        yield record
        if records.read_bytes - start >= SLICE_BYTES:
            return
