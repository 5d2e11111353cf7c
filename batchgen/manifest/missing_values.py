"""Which cells have no value: empty cells, and texts that mean a missing value."""

from __future__ import annotations

from decimal import Decimal
from math import isnan

BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    # These have no width on the screen: a cell of nothing else looks empty.
    "\xad\u200b\u200c\u200d\u2060\ufeff"
)
"""White space of every kind, and invisible characters."""

_BY_PROGRAMS = (
    # Only in these spellings: `Nan` is a bread, `none` may be a value, `Na` is sodium.
    *("nan", "NaN", "NAN", "-nan", "<NA>", "NaT", "NA", "N/A", "n/a"),
    *("None", "NULL", "null", "<null>", r"\N", "undefined", "[object Object]"),
    *("-", "--", "\u2013", "\u2014"),
)
_BY_SPREADSHEETS = (
    *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#ERROR!"),
    *("#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!", "#CONNECT!", "#UNKNOWN!", "#BUSY!"),
    "#GETTING_DATA",
    # German, French, Spanish, Italian, Portuguese, Dutch
    *("#NV", "#BEZUG!", "#WERT!", "#ZAHL!", "#\xdcBERLAUF!"),
    *("#VALEUR!", "#NOM?", "#NOMBRE!", "#NUL!"),
    *("#N/D", "#\xa1REF!", "#\xa1VALOR!", "#\xa1DIV/0!", "#\xbfNOMBRE?"),
    *("#\xa1NULO!", "#\xa1NUM!", "#RIF!", "#VALORE!", "#NOME?", "#VALOR!", "#NULO!"),
    *("#N/B", "#VERW!", "#WAARDE!", "#NAAM?", "#LEEG!", "#GETAL!"),
)

MISSING_TEXTS = frozenset((*_BY_PROGRAMS, *_BY_SPREADSHEETS))
"""Texts that programs and spreadsheets write for a missing value."""


def is_missing(cell: object) -> bool:
    """Tell whether a cell has no value."""
    match cell:
        case None:
            return True
        case str():
            text = cell.strip(BLANKS)
            return not text or text in MISSING_TEXTS
        case float() | Decimal():
            return isnan(cell)
        case list() | tuple() | bytes():
            return not cell
        case _:
            return False


def is_empty(cell: object) -> bool:
    """Tell whether a cell without a value is empty, and not a text such as `nan`."""
    return not (isinstance(cell, str) and cell.strip(BLANKS))


def describe_missing(cell: object) -> str:
    """Return the predicate of a message about a cell without a value."""
    if isinstance(cell, str) and not is_empty(cell):
        return f"holds {cell.strip(BLANKS)!r}, which stands for a missing value"
    return "is empty"
