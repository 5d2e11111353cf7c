"""`python -m batchgen.manifest.workbook_converter`: write a sheet as an Arrow stream.

A child process of `workbook_source`: whatever memory a sheet takes ends with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from batchgen.manifest.wording import listed, nearest, same_but_for_spelling
from batchgen.manifest.workbook_cells import LINE, sheet_text
from batchgen.manifest.workbook_errors import errors_of

_HEADER_ROWS = 50
"""The header is searched in this many rows that are not blank."""
_ROWS = 10_000
"""Rows of one batch."""


class _Problem(Exception):
    """Why the sheet cannot be read; begins with the sign after the file's name."""


@dataclass(slots=True)
class _Table:
    """The sheet as it is read.

    Attributes:
        rows: Numbers and cells of the rows below the header.
        columns: Which cells of a row belong to named columns.
        names: Of these columns.
    """

    rows: Iterator[tuple[int, Sequence[Any]]]
    columns: Sequence[int]
    names: Sequence[str]
    notices: list[str] = field(default_factory=list)


def main() -> None:
    """Read the request from the arguments, and write to the standard output."""
    request = json.loads(sys.argv[1])
    try:
        table = _read(Path(request["path"]), request["expected"], request["sheet"])
        _write(table)
    except _Problem as error:
        sys.exit(json.dumps({"problem": str(error)}))
    except PasswordError:
        problem = ": a password protects it: save the workbook without one"
        sys.exit(json.dumps({"problem": problem}))
    except (CalamineError, OSError, ValueError) as error:
        problem = f": not a whole workbook, save it anew: {error}"
        sys.exit(json.dumps({"problem": problem}))


def _read(path: Path, expected: Sequence[str], name: str | None) -> _Table:
    with CalamineWorkbook.from_path(path) as workbook:
        sheet, notices = _choose(workbook, name)
    errors = dict(errors_of(path, sheet.name))
    offset = sheet.start[1] if sheet.start else 0
    filled = (
        (number, _with_errors(row, errors.get(number, {}), offset))
        for number, row in enumerate(sheet.iter_rows(), start=1)
        if number in errors or any(cell != "" for cell in row)
    )
    where = f", sheet `{sheet.name}`"
    first = [*islice(filled, _HEADER_ROWS)]
    if not first:
        raise _Problem(f"{where}: the sheet is empty; it needs a header")
    index = _find_header(first, expected)
    line, header = first[index]
    table = _Table(
        rows=_chained(first[index + 1 :], filled),
        columns=[at for at, cell in enumerate(header) if sheet_text(cell).strip()],
        names=[text for cell in header if (text := sheet_text(cell).strip())],
        notices=[*notices, *_without_results(errors, where)],
    )
    if index:
        title = next(filter(None, (sheet_text(cell) for cell in first[0][1])), "")
        table.notices.append(
            f"{where}: row {line} is read as the header; what stands above, such as "
            f"{title[:60]!r}, is left out"
        )
    return table


def _without_results(errors: dict[int, dict[int, str]], where: str) -> Iterator[str]:
    rows = [row for row in sorted(errors) if "" in errors[row].values()]
    count = sum([*errors[row].values()].count("") for row in rows)
    if count:
        cells = "1 cell is a formula" if count == 1 else f"{count:,} cells are formulas"
        yield (
            f"{where}: {cells} without a stored result, first in row {rows[0]}, and "
            "read as empty: open the workbook in a spreadsheet and save it there, so "
            "that it holds the results"
        )


def _chained(
    first: Sequence[tuple[int, Sequence[Any]]],
    rest: Iterator[tuple[int, Sequence[Any]]],
) -> Iterator[tuple[int, Sequence[Any]]]:
    yield from first
    yield from rest


def _with_errors(
    row: Sequence[Any], errors: dict[int, str], offset: int
) -> Sequence[Any]:
    if not errors:
        return row
    return [errors.get(at, cell) for at, cell in enumerate(row, start=offset)]


def _choose(
    workbook: CalamineWorkbook, name: str | None
) -> tuple[CalamineSheet, list[str]]:
    """Return the sheet to read, and notices about the others."""
    names = workbook.sheet_names
    if name is not None:
        same = [each for each in names if same_but_for_spelling(each, name)]
        if name not in names and len(same) != 1:
            similar = nearest(name, names)
            hint = f" did you mean {similar}?" if similar else ""
            raise _Problem(f": no sheet `{name}` (it has {listed(names)}){hint}")
        return workbook.get_sheet_by_name(name if name in names else same[0]), []
    visible = [
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.visible == SheetVisibleEnum.Visible
        and sheet.typ == SheetTypeEnum.WorkSheet
    ]
    sheets = [workbook.get_sheet_by_name(each) for each in visible or names]
    filled = [sheet for sheet in sheets if sheet.start is not None]
    if not filled:
        raise _Problem(": the workbook is empty")
    if len(filled) == 1:
        return filled[0], []
    others = listed([sheet.name for sheet in filled[1:]], 6)
    notice = f": sheet `{filled[0].name}` is read; for another, say --sheet ({others})"
    return filled[0], [notice]


def _find_header(
    rows: Sequence[tuple[int, Sequence[Any]]], expected: Sequence[str]
) -> int:
    """Return the index of the row that is the header.

    It is the first with a name that is needed, else the first that is about as full as
    the rows below it.
    """
    widths = [sum(cell != "" for cell in cells) for _, cells in rows]
    widest = max(widths)
    for index, (_, cells) in enumerate(rows):
        texts = [cell for cell in cells if isinstance(cell, str)]
        is_wide = widths[index] > 1 or widest == 1
        if is_wide and any(
            same_but_for_spelling(text, name) for text in texts for name in expected
        ):
            return index
    return next(index for index, width in enumerate(widths) if width * 2 > widest)


def _write(table: _Table) -> None:
    """Write the rows; columns are numbered, since two may have the same name."""
    first = [*islice(table.rows, _ROWS)]
    if not first:
        raise _Problem(": no rows below the header")
    if nameless := _nameless(first, table.columns):
        table.notices.append(
            f": {nameless} left out, since the header has no name there"
        )
    document = json.dumps({"names": table.names, "notices": table.notices})
    numbered = [(str(at), pa.string()) for at in table.columns]
    schema = pa.schema([(LINE, pa.int64()), *numbered], {"table": document})
    with ipc.new_stream(sys.stdout.buffer, schema) as stream:
        chunk = first
        while chunk:
            stream.write_batch(_batch(chunk, table.columns, schema))
            chunk = [*islice(table.rows, _ROWS)]


def _batch(
    chunk: Sequence[tuple[int, Sequence[Any]]],
    columns: Sequence[int],
    schema: pa.Schema,
) -> pa.RecordBatch:
    lines = pa.array([number for number, _ in chunk], pa.int64())
    arrays = [
        pa.array([sheet_text(row[at]) or None for _, row in chunk], pa.string())
        for at in columns
    ]
    return pa.RecordBatch.from_arrays([lines, *arrays], schema=schema)


def _nameless(rows: Sequence[tuple[int, Sequence[Any]]], columns: Sequence[int]) -> str:
    """Return the columns that have values and no name, as `1 column is`."""
    width = max(len(row) for _, row in rows)
    others = [
        at
        for at in range(width)
        if at not in columns and any(row[at] != "" for _, row in rows)
    ]
    if not others:
        return ""
    return "1 column is" if len(others) == 1 else f"{len(others)} columns are"


if __name__ == "__main__":
    main()
