"""The records of a CSV file, each with the line where it begins."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from batchgen.errors import SpecError
from batchgen.manifest.wording import shown

LINE_LIMIT = 128 * 1024 * 1024
"""Bytes of a line, and characters of a cell: room for reference images as data URIs."""

_RESAVE = "save it as `CSV UTF-8`"


class Records:
    """The records of one open file, each with the line where it begins.

    Cells after the last named column are left out; they must be empty.
    """

    def __init__(
        self, path: Path, file: BinaryIO, delimiter: str, *, skips_first: bool = False
    ) -> None:
        """Begin with the header.

        Args:
            path: Of the file, for messages.
            file: Open at its start.
            delimiter: Between cells.
            skips_first: Whether the first line is not part of the table: `sep=;`.
        """
        self._path = path
        self._file = file
        self._delimiter = delimiter
        self._skips_first = skips_first
        self._header: list[str] = []
        self._named = 0  # columns up to the last one that has a name
        self._line = 0  # of the file, read last
        self._record_line = 1  # line where the record under way begins
        self._record_offset = 0  # byte where it begins
        self._row = -1  # the header stands above row 0
        self.read_bytes = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(self._lines(), delimiter=self._delimiter, strict=True)
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
        while raw := self._file.readline(LINE_LIMIT):
            self._line += 1
            self.read_bytes += len(raw)
            if self._line == 1:
                raw = self._without_mark(raw)
                if self._skips_first:
                    self._record_line, self._record_offset = 2, self.read_bytes
                    continue
            if b"\0" in raw:
                raise self._error(_nul_words(raw))
            if len(raw) == LINE_LIMIT:
                raise self._error(f"the line is longer than {LINE_LIMIT:,} bytes")
            try:
                yield raw.decode()
            except UnicodeDecodeError as error:
                value, byte = raw[error.start], error.start + 1
                raise self._error(
                    f"not UTF-8: byte {byte} of the line is 0x{value:02x}; {_RESAVE}"
                    f"{_seeming_encoding(raw)}"
                ) from error

    def _without_mark(self, raw: bytes) -> bytes:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self._error(f"not UTF-8 but UTF-16: {_RESAVE}{_convert('UTF-16')}")
        return raw.removeprefix(b"\xef\xbb\xbf")

    def _error(self, message: str) -> SpecError:
        row = "the header" if self._row < 0 else f"row {self._row}"
        return SpecError(f"{shown(self._path)}, {row}, line {self._line}: {message}")

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
        self._file.seek(self._record_offset)
        texts = (raw.decode(errors="replace") for raw in self._file)
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
    byte = raw.index(b"\0") + 1
    if len(raw) > 3 and raw.count(b"\0") * 3 > len(raw):
        return f"not UTF-8 but UTF-16, it seems: {_RESAVE}{_convert('UTF-16')}"
    return f"a NUL at byte {byte} of the line: {_RESAVE}"


def _seeming_encoding(raw: bytes) -> str:
    """Return a hint at the likely encoding of a line, or nothing."""
    groups = re.findall(rb"[\x80-\xff]+", raw)
    if max(map(len, groups), default=0) < 3:
        name = "WINDOWS-1252"  # single letters with accents, as in Western Europe
    elif all(byte >= 0xC0 or byte in (0xA8, 0xB8) for byte in b"".join(groups)):
        name = "WINDOWS-1251"  # whole words in Cyrillic letters
    else:
        return ""
    try:
        raw.decode(name)
    except UnicodeDecodeError:
        return ""
    return f" (it seems to be {name.capitalize()}){_convert(name)}"


def _convert(encoding: str) -> str:
    return f", or convert it: iconv -f {encoding} -t UTF-8 OLD.csv > NEW.csv"
