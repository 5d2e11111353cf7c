"""What spreadsheets do to values: errors of formulas, rounded numbers, lost zeros.

The values stay as they are. Nobody can give back what is lost, but a person who knows
of it can export the table again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import polars as pl

from batchgen.manifest.table_source import Batch

Key = TypeVar("Key")
Damage = Literal["error", "rounded", "date"]

_ERRORS = (
    *("REF!", "N/A", "NAME?", "VALUE!", "DIV/0!", "NULL!", "NUM!", "SPILL!", "CALC!"),
    *("BEZUG!", "NV", "WERT!", "ZAHL!", "¡REF!", "¡VALOR!", "¿NOMBRE?", "VALEUR!"),
)
"""As spreadsheets write them, also in other languages [assumed]."""
_MONTH = r"(jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*\.?"
_PATTERNS: dict[Damage, str] = {
    "error": rf"^#({'|'.join(map(re.escape, _ERRORS))})$",
    "rounded": r"^-?[0-9]([.,][0-9]+)?E\+[0-9]{2,}$",
    "date": (
        rf"(?i)^([0-9]{{1,2}}[-. /]{_MONTH}([-. /][0-9]{{2,4}})?|{_MONTH}-[0-9]{{2}}"
        r"|[0-9]{4}-[0-9]{2}-[0-9]{2}( 00:00:00)?"
        r"|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2,4})$"
    ),
}
_MEANINGS: dict[Damage, str] = {
    "error": "an error of a formula: mend it there, and export the table again",
    "rounded": (
        "a number that a spreadsheet rounded: format the column as text or as a whole "
        "number there, and export the table again"
    ),
    "date": (
        "a date, as spreadsheets make of codes such as 3-1: format the column as text "
        "there, enter these again, and export the table again"
    ),
}
_NUMBERED = re.compile(r"(?i)(^|[^a-z])(gtin|ean|upc|barcode|isbn)([^a-z]|$)")
_MIN_DIGITS = 5
"""Shorter numbers are counters, which have no zeros to lose [assumed]."""
_MAX_SHARE = 0.25
"""At random every tenth number begins with a zero."""
_MAX_LOST = 3
_MIN_SPREAD = 10
"""Numbers that are closer together than this are counted up: 9998, 9999, 10000."""


@dataclass(slots=True)
class _Hits:
    """Cells of one column with the same damage.

    Attributes:
        place: Row, and line if there is one, of the first.
        value: Of the first.
    """

    count: int
    place: str
    value: str


class _Digits:
    """Counts the numbers of one column by their digits."""

    def __init__(self) -> None:
        self.by_length: dict[int, _Hits] = {}
        self.has_others = False
        self.smallest, self.largest = 10**400, 0

    def watch(self, column: pl.Series, start: int, lines: list[int] | None) -> None:
        values = column.str.strip_chars()
        is_number = values.str.contains(r"^[1-9][0-9]{0,30}$")
        self.has_others |= not is_number.all()
        lengths = values.str.len_chars()
        for length in lengths.filter(is_number.fill_null(value=False)).unique():
            matches = (lengths == length) & is_number
            numbers = values.filter(matches.fill_null(value=False)).cast(pl.Int128)
            low, high = numbers.min(), numbers.max()
            if isinstance(low, int) and isinstance(high, int):
                self.smallest = min(self.smallest, low)
                self.largest = max(self.largest, high)
            _add(self.by_length, length, matches, values, start, lines)

    def lost_zeros(self) -> tuple[_Hits, int] | None:
        """Return the numbers that are too short, and how many digits others have."""
        if self.has_others or not self.by_length:
            return None
        longest = max(self.by_length)
        shorter = [
            hits
            for length, hits in sorted(self.by_length.items(), reverse=True)
            if length < longest
        ]
        count = sum(hits.count for hits in shorter)
        total = count + self.by_length[longest].count
        is_rare = 0 < count <= max(1, total * _MAX_SHARE)
        spread = (self.largest - self.smallest) // max(1, total)
        is_likely = (
            longest >= _MIN_DIGITS
            and min(self.by_length) >= longest - _MAX_LOST
            and spread >= _MIN_SPREAD
        )
        if not is_rare or not is_likely:
            return None
        return _Hits(count, shorter[0].place, shorter[0].value), longest


class DamagedValues:
    """Watches the text columns of a table for values that a spreadsheet changed."""

    def __init__(self, id_column: str | None) -> None:
        self._id_column = id_column
        self._hits: dict[tuple[str, Damage], _Hits] = {}
        self._digits: dict[str, _Digits] = {}
        self._rows = 0

    def watch(self, position: int, batch: Batch) -> None:
        """Look at the next rows of the table."""
        frame = batch.frame.select(pl.col(pl.String))
        self._rows += frame.height
        for damage in ("error", "rounded"):
            self._watch_all(damage, frame, position, batch.lines)
        for name in frame.columns:
            if name == self._id_column:
                self._watch_all("date", frame.select(name), position, batch.lines)
            if name == self._id_column or _NUMBERED.search(name):
                digits = self._digits.setdefault(name, _Digits())
                digits.watch(frame.get_column(name), position, batch.lines)

    def _watch_all(
        self,
        damage: Damage,
        frame: pl.DataFrame,
        position: int,
        lines: list[int] | None,
    ) -> None:
        matches = frame.select(pl.all().str.contains(_PATTERNS[damage]))
        for column in matches:
            if column.any():
                key = column.name, damage
                values = frame.get_column(column.name)
                _add(self._hits, key, column, values, position, lines)

    def notices(self) -> Iterator[str]:
        """Yield a notice for each kind of damage in each column, after the last row."""
        for (name, damage), hits in self._hits.items():
            # Ids may be dates; codes among which some became dates are mixed.
            if damage == "date" and hits.count * 2 > self._rows:
                continue
            yield f"column `{name}`: {_cells(hits)} {_MEANINGS[damage]}"
        for name, digits in self._digits.items():
            if (lost := digits.lost_zeros()) is not None:
                hits, length = lost
                yield (
                    f"column `{name}`: {_cells(hits)} a number that lost zeros at its "
                    f"beginning, since others have {length} digits: format the column "
                    "as text in the spreadsheet, and export the table again"
                )


def _cells(hits: _Hits) -> str:
    first = f"{hits.value[:40]} in {hits.place}"
    if hits.count == 1:
        return f"{first} looks like"
    return f"{hits.count:,} cells, such as {first}, each look like"


def _add(
    table: dict[Key, _Hits],
    key: Key,
    matches: pl.Series,
    values: pl.Series,
    position: int,
    lines: Sequence[int] | None,
) -> None:
    count = int(matches.sum())
    if key in table:
        table[key].count += count
        return
    index = matches.arg_true()[0]
    line = "" if lines is None else f", line {lines[index]}"
    table[key] = _Hits(count, f"row {position + index}{line}", str(values[index]))
