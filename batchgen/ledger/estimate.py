"""The estimate of what is still to be bought."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from batchgen.ledger.from_rows import by_name
from batchgen.ledger.ledger_file import Values
from batchgen.ledger.reader import Reader
from batchgen.model import to_usd
from batchgen.model.row_scope import EVERY_ROW as EVERY_ROW


class Estimate(NamedTuple):
    """Some rows of the plan, and their expected price.

    Attributes:
        estimate: Expected price of all rows with a known price, in nano-dollars.
        unpriced: How many rows have no known price.
        images: How many of their images are not in the archive, if that was counted.
        removed: How many of the rows lost their images from it, if that was counted.
    """

    rows: int
    estimate: int
    unpriced: int
    images: int = 0
    removed: int = 0

    @property
    def usd(self) -> Decimal:
        """The expected price in dollars."""
        return to_usd(self.estimate)


def estimate_of(ledger: Reader, end: int, generation: int) -> Estimate:
    """Return what the plan still has to buy, rows before a position."""
    return read_estimate(ledger, "to_buy", {"generation": generation, "end": end})


def read_estimate(ledger: Reader, name: str, values: Values) -> Estimate:
    """Return the estimate that a named query adds up."""
    return Estimate(**by_name(ledger.execute(name, values).fetchone()))
