"""Cells of an Excel sheet that libraries read as empty.

They hold errors (`#REF!`), or formulas that a program wrote without their results.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree as Xml

_BLOCK_BYTES = 1 << 20
_OVERLAP = 16 * 1024
"""As long as one cell with its formula may be."""
_PLACE = rb'[^>]*\br="([A-Z]{1,3})([0-9]{1,7})"[^>]*>'
_FORMULA = rb"(?:<f\b[^>]*/>|<f\b[^>]*>[^<]*</f>)"
_CELL = re.compile(
    rb'<c (?=[^>]*\bt="e")' + _PLACE + _FORMULA + rb"?<v>([^<]{1,20})</v>"
    # A formula that gives an empty text has a type.
    rb"|<c (?![^>]*\bt=)" + _PLACE + _FORMULA + rb"(?:<v\s*/>|<v></v>)?</c>"
)
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def errors_of(path: Path, sheet: str) -> Iterator[tuple[int, dict[int, str]]]:
    """Yield the numbers of rows with errors, and the errors by index of the cell.

    The text is empty for a formula without a result.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = _member_of(archive, sheet)
            cells = _cells(archive, name) if name else iter(())
            for row, group in groupby(cells, key=lambda cell: cell[0]):
                yield row, {column: text for _, column, text in group}
    except (zipfile.BadZipFile, KeyError, Xml.ParseError, OSError):
        return  # no Excel file of the present kind; errors are empty cells then


def _member_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    workbook = Xml.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 - expat refuses bombs
    links = Xml.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    for each in workbook.iter(f"{_MAIN}sheet"):
        if each.get("name") == sheet:
            target = targets.get(each.get(_LINK), "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return None


def _cells(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[int, int, str]]:
    with archive.open(name) as file:
        buffer = b""
        while block := file.read(_BLOCK_BYTES):
            buffer += block
            end = 0
            for cell in _CELL.finditer(buffer):
                letters, row, text, *formula = cell.groups()
                if text is None:
                    letters, row = formula
                error = (text or b"").decode(errors="replace")
                yield int(row), _index(letters), error
                end = cell.end()
            buffer = buffer[max(end, len(buffer) - _OVERLAP) :]


def _index(letters: bytes) -> int:
    """Return the index of a column: A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1
