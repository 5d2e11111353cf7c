"""Write the result table as XLSX, whose cells have types: text is never a formula."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError

from batchgen.errors import StorageError
from batchgen.output.column_texts import file_names, is_number, texts_of
from batchgen.output.spreadsheet_cells import is_risky

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from batchgen.output.table_copies import SourceTable

SHEET_ROWS = 1_048_576
"""Of Excel, the heading included; further rows go to further sheets."""
MAX_COLUMNS = 16_384
MAX_CHARACTERS = 32_767
"""In one cell."""
CUT = " [cut: the whole text is in results.parquet]"

_DIGITS = 15
"""Digits of a number that Excel keeps, and a float holds exactly."""
_FIRST_YEAR = 1901
"""Earlier times are text: Excel has none before 1900, and others show those of that
year, such as the 1900-01-01 that databases write for none, as another day."""
_WIDTHS = {"row": 7, "prompt": 60, "files": 30, "message": 40}
_WIDTH = 16

Value = str | int | float | bool | date | None
Write = Callable[[int, int, Any], object]


class _Sheets:
    """The sheets of a workbook, each with the headings; rows go to the last one."""

    def __init__(self, book: Workbook, source: SourceTable) -> None:
        self._book = book
        self._source = source
        self._bold = book.add_format({"bold": True})
        self._quoted = _quoted_format(book)
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        self._formats = {datetime: moment, date: day}
        self._numbers = count(1)
        self._new_sheet()

    def _new_sheet(self) -> None:
        number = next(self._numbers)
        title = "rehearsed results" if self._source.is_rehearsal else "results"
        name = title if number == 1 else f"{title} {number}"
        self._sheet: Worksheet = self._book.add_worksheet(name)
        self._row = 0
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(self._source.names):
            self._sheet.set_column(column, column, _WIDTHS.get(name, _WIDTH))
            self._sheet.write_string(0, column, _cut(name), self._bold)

    def add(self, values: Sequence[Value]) -> None:
        """Add a row."""
        self._row += 1
        if self._row == SHEET_ROWS:
            self.end()
            self._new_sheet()
            self._row = 1
        for column, value in enumerate(values):
            if value is not None:
                self._write(column, value)

    def _write(self, column: int, value: Value) -> None:
        sheet, row = self._sheet, self._row
        match value:
            case str():
                mark = self._quoted if is_risky(value) else None
                sheet.write_string(row, column, _cut(value), mark)
            case bool():
                sheet.write_boolean(row, column, value)
            case date():
                style = self._formats[type(value)]
                sheet.write_datetime(row, column, value, style)
            case _:
                sheet.write_number(row, column, value)

    def end(self) -> None:
        """Let the headings of the last sheet filter its rows."""
        self._sheet.autofilter(0, 0, self._row, len(self._source.names) - 1)


def write_workbook(source: SourceTable, file: BinaryIO, path: Path) -> None:
    """Write the rows as a workbook.

    Args:
        source: The table.
        file: Where it goes.
        path: Its name; the sheets are kept beside it until they are packed.

    Raises:
        StorageError: it has more columns than a sheet.
    """
    if len(source.names) > MAX_COLUMNS:
        raise StorageError(
            f"{path}: the table has {len(source.names):,} columns, and a sheet of XLSX "
            f"takes {MAX_COLUMNS:,}: choose csv or jsonl"
        )
    with _scratch_folder(path) as folder, _workbook(file, folder) as book:
        sheets = _Sheets(book, source)
        for batch in source.batches():
            columns = [
                _values(name, column)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            for values in zip(*columns, strict=True):
                sheets.add((*values, source.is_rehearsal))
        sheets.end()


def _quoted_format(book: Workbook) -> Format:
    # Excel would calculate such a text when somebody edits its cell, if it did not
    # carry the mark that an apostrophe before it leaves.
    style = book.add_format()
    style.set_quote_prefix()
    return style


@contextmanager
def _scratch_folder(path: Path) -> Iterator[Path]:
    """Yield a folder on the same disk for sheets that are being written."""
    folder = path.with_name(f"{path.name}.sheets.partial")
    # What a kill left.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _workbook(file: BinaryIO, folder: Path) -> Iterator[Workbook]:
    options = {
        "constant_memory": True,
        "tmpdir": str(folder),
        "use_zip64": True,
    }
    sink = _Sink(file)
    book = Workbook(sink, options)
    try:
        yield book
        book.close()
    except FileCreateError as error:
        raise _cause_of(error) from error
    finally:
        sink.file = BytesIO()
        book.fileclosed = True  # else it would be packed again when it is collected
        for sheet in book.worksheets():
            with suppress(OSError):
                sheet.row_data_fh.close()


class _Sink:
    """Passes everything on to a file that can be exchanged.

    After an error the ZIP within a workbook writes once more when it is collected.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _cause_of(error: FileCreateError) -> Exception:
    cause = error.args[0] if error.args else error
    return cause if isinstance(cause, OSError) else StorageError(str(error))


def _values(name: str, column: pa.Array) -> Sequence[Value]:
    """Return the values of a column as cells have them, exact or as text."""
    kind, types = column.type, pa.types
    if name == "files":
        return file_names(column)
    if is_number(kind):
        return [
            None if value is None else _number(value) for value in column.to_pylist()
        ]
    if types.is_boolean(kind):
        return list(column.to_pylist())
    if types.is_timestamp(kind):
        # Excel knows no zones: all times are in UTC.
        plain = column.cast(pa.timestamp("us"), safe=False)
        return _dates(plain.to_pylist(), texts_of(column))
    if types.is_date(kind):
        return _dates(column.to_pylist(), texts_of(column))
    return texts_of(column)


def _number(value: float | Decimal) -> Value:
    """Return a number that Excel keeps to its last digit, else its text."""
    exact = Decimal(str(value))
    if isinstance(value, float) and exact.is_finite():
        return value  # a float is what Excel has itself
    if not exact.is_finite():
        return str(value)
    is_exact = len(exact.normalize().as_tuple().digits) <= _DIGITS
    return float(exact) if is_exact else f"{exact.normalize():f}"


def _dates(values: Sequence[date | None], texts: Sequence[str | None]) -> list[Value]:
    return [
        text if value is not None and value.year < _FIRST_YEAR else value
        for value, text in zip(values, texts, strict=True)
    ]


def _cut(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    return text[: MAX_CHARACTERS - len(CUT)] + CUT
