"""Read CSV in slices of text columns, with the exact line of whatever is wrong.

Python's csv module parses, not polars: it counts physical lines, so that messages and
the table can name them, and its strict mode refuses what a lenient reader would mend
by a guess, where a shifted cell buys the wrong image. polars holds the cells.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import polars as pl

from batchgen.errors import SpecError
from batchgen.manifest.source import SLICE_BYTES, Batch
from batchgen.manifest.wording import shown

LINE_LIMIT = 128 * 1024 * 1024
"""Bytes of a line, and characters of a cell: room for reference images as data URIs."""

_DELIMITERS = (",", ";", "\t")
_RESAVE = "save it as `CSV UTF-8`"


class CsvSource:
    """A CSV file whose header was read; every cell is text, an empty one null."""

    def __init__(self, path: Path) -> None:
        # The module has no limit for one reader: this one holds for the process.
        csv.field_size_limit(LINE_LIMIT)
        self.path = path
        self._delimiter = self._find_delimiter()
        with path.open("rb") as file:
            records = iter(_Records(path, file, self._delimiter))
            header = next(records, None)
            if header is None:
                raise SpecError(f"{shown(path)}: the file is empty; it needs a header")
            self.names = tuple(name.strip() for name in header[1])
            if next(records, None) is None:
                raise SpecError(f"{shown(path)}: no rows below the header")

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=dict.fromkeys(self.names, pl.String))

    def batches(self, size: int) -> Iterator[Batch]:
        with self.path.open("rb") as file:
            records = _Records(self.path, file, self._delimiter)
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

    def _find_delimiter(self) -> str:
        """Return the comma unless it leaves the header whole and another parts it."""
        for delimiter in _DELIMITERS:
            with self.path.open("rb") as file:
                records = iter(_Records(self.path, file, delimiter))
                try:
                    _, header = next(records, (0, [""]))
                except SpecError:
                    # Quotes that make no sense with this one may do with another;
                    # what makes sense with none is told when the comma is used.
                    continue
                if len(header) > 1:
                    return delimiter
        return _DELIMITERS[0]


def _until_full(
    numbered: Iterator[tuple[int, list[str]]], records: _Records, size: int
) -> Iterator[tuple[int, list[str]]]:
    start = records.read_bytes
    for _ in range(size):
        record = next(numbered, None)
        if record is None:
            return
        yield record
        if records.read_bytes - start >= SLICE_BYTES:
            return


class _Records:
    """The records of one open file, each with the line where it begins."""

    def __init__(self, path: Path, file: BinaryIO, delimiter: str) -> None:
        self._path = path
        self._file = file
        self._delimiter = delimiter
        self._header: list[str] = []
        self._line = 0  # of the file, read last
        self._begin = 1  # line where the record under way begins
        self._offset = 0  # byte where it begins
        self._row = -1  # the header stands above row 0
        self.read_bytes = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(self._lines(), delimiter=self._delimiter, strict=True)
        while True:
            self._begin, self._offset = self._line + 1, self.read_bytes
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._broken(str(error)) from error
            width = len(self._header)
            if not cells or (len(cells) != width and not "".join(cells).strip()):
                continue  # a blank line is no row
            if not width:
                self._header = cells
            elif len(cells) != width:
                raise self._ragged(len(cells))
            yield self._begin, cells
            self._row += 1

    def _lines(self) -> Iterator[str]:
        # Read as bytes and decoded line by line: a text file decodes in blocks, and
        # could not say which line holds what is not UTF-8.
        while raw := self._file.readline(LINE_LIMIT):
            self._line += 1
            self.read_bytes += len(raw)
            if self._line == 1:
                raw = self._without_mark(raw)
            if b"\0" in raw:
                byte = raw.index(b"\0") + 1
                raise self._error(f"a NUL at byte {byte} of the line: {_RESAVE}")
            if len(raw) == LINE_LIMIT:
                raise self._error(f"the line is longer than {LINE_LIMIT:,} bytes")
            try:
                yield raw.decode()
            except UnicodeDecodeError as error:
                found, byte = raw[error.start], error.start + 1
                raise self._error(
                    f"not UTF-8: byte {byte} of the line is 0x{found:02x}; {_RESAVE}"
                ) from error

    def _without_mark(self, raw: bytes) -> bytes:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self._error(f"not UTF-8 but UTF-16: {_RESAVE}")
        return raw.removeprefix(b"\xef\xbb\xbf")

    def _error(self, message: str) -> SpecError:
        row = "the header" if self._row < 0 else f"row {self._row}"
        return SpecError(f"{shown(self._path)}, {row}, line {self._line}: {message}")

    def _ragged(self, cells: int) -> SpecError:
        last = self._line
        until = (
            f" to line {last} (is a quote not closed?)" if last > self._begin else ""
        )
        self._line = self._begin
        return self._error(
            f"it has {_counted(cells)}{until}, the header has {len(self._header)}; "
            "put a cell that holds the delimiter or a line break in double quotes"
        )

    def _broken(self, reason: str) -> SpecError:
        if "unexpected end of data" in reason or "field limit" in reason:
            column = self._where_a_quote_opened()
            return self._error(f"{column}a quote is opened here and never closed")
        if "new-line character" in reason:
            return self._error("a line ends with CR alone: save it with LF or CRLF")
        begun = f" (the row begins at line {self._begin})"
        return self._error(
            f"{reason}{begun if self._line > self._begin else ''}: double a quote "
            'that stands inside a quoted cell (""), and close every quoted cell'
        )

    def _where_a_quote_opened(self) -> str:
        """Read the record once more, leniently: its last cell was left open."""
        self._file.seek(self._offset)
        texts = (raw.decode(errors="replace") for raw in self._file)
        first = next(texts, "").removeprefix("\ufeff")
        reader = csv.reader(chain([first], texts), delimiter=self._delimiter)
        try:
            cells = next(reader, [])
        except csv.Error:  # past the limit of a cell
            self._line = self._begin
            return ""
        self._line = self._begin + sum(cell.count("\n") for cell in cells[:-1])
        if 0 < len(cells) <= len(self._header):
            return f"column `{self._header[len(cells) - 1].strip()}`: "
        return f"cell {len(cells)}: "


def _counted(cells: int) -> str:
    return f"{cells} cell{'' if cells == 1 else 's'}"
