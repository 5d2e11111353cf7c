"""Read CSV in batches of text columns, with the exact line of each mistake.

Python's csv module parses the file, and not polars: it counts physical lines for
messages and for the table, and its strict mode refuses mistakes that a lenient reader
would correct by a guess. A wrong guess shifts cells, and a wrong image is bought.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

import polars as pl

from batchgen.errors import SpecError
from batchgen.manifest.csv_dialect import LINE_LIMIT, Dialect, find_dialect
from batchgen.manifest.csv_records import Records
from batchgen.manifest.table_source import SLICE_BYTES, Batch
from batchgen.manifest.text_file import TextFile
from batchgen.manifest.wording import shown


class CsvSource:
    """A CSV file whose header was read; each cell is text, or null if it is empty."""

    unreadable: Mapping[str, str] = MappingProxyType({})
    dropped: frozenset[str] = frozenset()

    def __init__(
        self,
        text: TextFile,
        expected: Collection[str] = (),
        delimiter: str | None = None,
    ) -> None:
        """Read the header.

        Args:
            text: The file.
            expected: Names that the header must have: they identify its line.
            delimiter: Between cells; None to find it.

        Raises:
            SpecError: the file is no CSV, or has no header or no rows.
        """
        # The csv module only has a limit for the whole process.
        csv.field_size_limit(LINE_LIMIT)
        self.path = path = text.path
        self._text = text
        self._dialect: Dialect = find_dialect(text, frozenset(expected), delimiter)
        self.notices: tuple[str, ...] = self._dialect.notices
        with text.open() as file:
            records = iter(Records(text, file, self._dialect))
            header = next(records, None)
            if header is None:
                raise SpecError(f"{shown(path)}: the file is empty; it needs a header")
            self.names = tuple(name.strip() for name in header[1])
            if self._dialect.problem is not None:
                raise SpecError(self._dialect.problem)
            if next(records, None) is None:
                raise SpecError(f"{shown(path)}: no rows below the header")

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=dict.fromkeys(self.names, pl.String))

    def batches(self, size: int) -> Iterator[Batch]:
        with self._text.open() as file:
            records = Records(self._text, file, self._dialect)
            numbered = iter(records)
            _, header = next(numbered, (0, []))
            if tuple(name.strip() for name in header) != self.names:
                raise SpecError(f"{shown(self.path)}: changed while it was read")
            while chunk := list(_until_full(numbered, records, size)):
                yield self._batch(chunk)

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
