"""The records of a CSV file, each with the line where it begins."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from batchgen.errors import SpecError
from batchgen.manifest.csv_dialect import LINE_LIMIT, Dialect
from batchgen.manifest.text_file import MARK, TextFile
from batchgen.manifest.wording import shown

_RESAVE = "save it as `CSV UTF-8`"


class Records:
    """The records of one open file, each with the line where it begins.

    Cells after the last named column are left out; they must be empty.
    """

    def __init__(self, text: TextFile, file: BinaryIO, dialect: Dialect) -> None:
        """Begin with the header.

        Args:
            text: The file.
            file: The same, open at its start.
            dialect: How it is written.
        """
        self._text = text
        self._file = file
        self._delimiter = dialect.delimiter
        self._skipped = dialect.skipped
        self._is_raw = dialect.is_raw
        self._header: list[str] = []
        self._named = 0  # columns up to the last one that has a name
        self._line = 0  # of the file, read last
        self._record_line = 1  # line where the record under way begins
        self._record_offset = 0  # byte where it begins
        self._row = -1  # the header stands above row 0
        self.read_bytes = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(
            self._lines(),
            delimiter=self._delimiter,
            quoting=csv.QUOTE_NONE if self._is_raw else csv.QUOTE_MINIMAL,
            strict=True,
        )
        while True:
            self._record_line, self._record_offset = self._line + 1, self.read_bytes
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
                self._header = list(cells)
                self._named = _named_columns(cells)
            elif not self._named <= len(cells) <= width:
                raise self._ragged(len(cells))
            if len(cells) > self._named:
                if self._row >= 0:
                    self._check_unnamed(cells)
                del cells[self._named :]
            yield self._record_line, cells
            self._row += 1

    def _check_unnamed(self, cells: Sequence[str]) -> None:
        for number, cell in enumerate(cells[self._named :], start=self._named + 1):
            if cell.strip():
                raise self._error(
                    f"cell {number} holds {cell.strip()[:40]!r}, but the header has no "
                    f"name for column {number}: give the column a name there, or empty "
                    "it (is a cell with the delimiter in it not quoted?)"
                )

    def _lines(self) -> Iterator[str]:
        # Decoded line by line: a text file decodes in blocks, and could not tell
        # which line is not UTF-8.
        while raw := self._next_line():
            self._line += 1
            self.read_bytes += len(raw)
            if self._line <= self._skipped:
                self._record_line, self._record_offset = self._line + 1, self.read_bytes
                continue
            if self._line == 1:
                raw = raw.removeprefix(MARK)
            if b"\0" in raw:
                raise self._error(_nul_words(raw))
            if len(raw) == LINE_LIMIT:
                raise self._error(f"the line is longer than {LINE_LIMIT:,} bytes")
            try:
                yield raw.decode()
            except UnicodeDecodeError as error:
                value, byte = raw[error.start], error.start + 1
                raise self._error(
                    f"not UTF-8: byte {byte} of the line is 0x{value:02x}; {_RESAVE}, "
                    "or say its encoding with --encoding NAME"
                ) from error

    def _next_line(self) -> bytes:
        try:
            return self._file.readline(LINE_LIMIT)
        except UnicodeDecodeError as error:
            self._line += 1
            raise self._error(
                f"not {self._text.encoding}: {error.reason}; say another --encoding, "
                f"or {_RESAVE}"
            ) from error

    def _error(self, message: str) -> SpecError:
        row = "the header" if self._row < 0 else f"row {self._row}"
        path = shown(self._text.path)
        return SpecError(f"{path}, {row}, line {self._line}: {message}")

    def _ragged(self, cells: int) -> SpecError:
        last = self._line
        until = ""
        if last > self._record_line:
            until = f" to line {last} (is a quote not closed?)"
        self._line = self._record_line
        return self._error(
            f"it has {_cell_count(cells)}{until}, the header has {len(self._header)}; "
            "put a cell that holds the delimiter or a line break in double quotes"
        )

    def _broken(self, reason: str) -> SpecError:
        if "unexpected end of data" in reason or "field limit" in reason:
            column = self._where_a_quote_opened()
            return self._error(
                f"{column}a quote is opened here and never closed: close it, or write "
                '"" for one that belongs to the text'
            )
        if "new-line character" in reason:
            return self._error("a line ends with CR alone: save it with LF or CRLF")
        start = ""
        if self._line > self._record_line:
            start = f" (the row begins at line {self._record_line})"
        return self._error(
            f"{reason}{start}: double a quote "
            'that stands inside a quoted cell (""), and close every quoted cell'
        )

    def _where_a_quote_opened(self) -> str:
        """Read the record again leniently: its last cell is not closed."""
        with self._text.open_at(self._record_offset) as file:
            texts = (raw.decode(errors="replace") for raw in file)
            first = next(texts, "").removeprefix("\ufeff")
            reader = csv.reader(chain([first], texts), delimiter=self._delimiter)
            try:
                cells = next(reader, [])
            except csv.Error:  # past the limit of a cell
                self._line = self._record_line
                return ""
        self._line = self._record_line + sum(cell.count("\n") for cell in cells[:-1])
        if 0 < len(cells) <= len(self._header):
            return f"column `{self._header[len(cells) - 1].strip()}`: "
        return f"cell {len(cells)}: "


def _cell_count(cells: int) -> str:
    return f"{cells} cell{'' if cells == 1 else 's'}"


def _named_columns(header: Sequence[str]) -> int:
    """Return the number of columns up to the last one with a name, or of all."""
    numbers = [number for number, name in enumerate(header, start=1) if name.strip()]
    return numbers[-1] if numbers else len(header)


def _nul_words(raw: bytes) -> str:
    return f"a NUL at byte {raw.index(0) + 1} of the line: {_RESAVE}"
