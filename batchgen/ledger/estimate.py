"""The estimate of what is still to be bought."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from batchgen.ledger import Reader
from batchgen.ledger.outstanding import outstanding
from batchgen.model import to_usd
from batchgen.model.row_scope import EVERY_ROW as EVERY_ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is still to be bought.

    Attributes:
        usd: Expected price of all rows with a known price.
        unpriced: Rows without a known price.
    """

    rows: int
    images: int
    usd: Decimal
    unpriced: int


def estimate_of(ledger: Reader, end: int, generation: int) -> Estimate:
    """Return what the plan still has to buy, rows before a position."""
    total = outstanding(ledger, end, generation)
    return Estimate(
        rows=total.rows,
        images=total.images,
        usd=to_usd(total.estimate),
        unpriced=total.unpriced,
    )
