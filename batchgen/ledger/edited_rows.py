"""Rows that an edit of the manifest changed after they were bought, and their price."""

from __future__ import annotations

from typing import NamedTuple

from batchgen.ledger.outstanding import EstimatedRows
from batchgen.ledger.reader import Reader


class RowsToRebuy(NamedTuple):
    """Rows that are bought again only with consent, added up.

    Attributes:
        estimate: Expected price of all rows with a known price, in nano-dollars.
        unpriced: How many rows have no known price.
        removed: How many of the rows lost their images from the archive.
    """

    rows: int
    estimate: int
    unpriced: int
    removed: int


class NamedRow(NamedTuple):
    """A row as messages name it."""

    id: str | None
    position: int


def rows_to_rebuy(ledger: Reader, end: int, generation: int) -> RowsToRebuy:
    """Add up the rows before a position that would be bought again."""
    values = {"generation": generation, "end": end}
    return RowsToRebuy._make(ledger.execute("to_rebuy", values).fetchone())


def first_rows_to_rebuy(
    ledger: Reader, end: int, generation: int, max_rows: int
) -> list[NamedRow]:
    """Return the first of them."""
    values = {"generation": generation, "end": end, "max_rows": max_rows}
    return [NamedRow._make(row) for row in ledger.execute("to_rebuy_first", values)]


def rows_kept(ledger: Reader, end: int, generation: int) -> EstimatedRows:
    """Add up the rows before a position that kept their results from before an edit."""
    values = {"generation": generation, "end": end}
    return EstimatedRows._make(ledger.execute("edits_kept_count", values).fetchone())


def count_taken_over(ledger: Reader, end: int, generation: int) -> int:
    """Count the rows that took over purchases of another id or position."""
    values = {"generation": generation, "end": end}
    count: int = ledger.execute("edits_taken", values).fetchone()[0]
    return count
