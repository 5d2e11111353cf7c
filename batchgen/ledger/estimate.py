"""The estimate of what is still to be bought."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from batchgen.ledger.reader import Reader
from batchgen.model import to_usd

EVERY_ROW = 1 << 62
"""A position behind every manifest's end."""


def scope_end(limit: int | None) -> int:
    """Return the position behind the last row in scope; None stands for all rows."""
    return EVERY_ROW if limit is None else limit


class Estimate(NamedTuple):
    """Rows, and the expected price of their missing images.

    Attributes:
        images: Those that are not in the archive yet.
        estimate: Expected price of all rows with a known price, in nano-dollars.
        unpriced: How many rows have no known price.
    """

    rows: int
    images: int
    estimate: int
    unpriced: int

    @property
    def usd(self) -> Decimal:
        """The expected price in dollars."""
        return to_usd(self.estimate)


def estimate_of(ledger: Reader, end: int, generation: int) -> Estimate:
    """Return what the plan still has to buy, rows before a position."""
    values = {"generation": generation, "end": end}
    return Estimate._make(ledger.execute("to_buy", values).fetchone())
