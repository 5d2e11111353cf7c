"""Cells of a workbook as the text that a person sees there."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

LINE = "line"
"""First column of a sheet as it is handed on: the number of the sheet's row."""


def sheet_text(cell: object) -> str:
    """Return a cell as text: whole numbers without a point, dates as in ISO 8601."""
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case float():
            return _number(cell)
        case datetime():
            return cell.isoformat(sep=" ")
        case date() | time():
            return cell.isoformat()
        case _:
            return "" if cell is None else str(cell)


def _number(value: float) -> str:
    if value.is_integer():
        return str(int(value))
    # A workbook shows fifteen digits: 0.1 + 0.2 is 0.3 there.
    return format(Decimal(f"{value:.15g}"), "f")
