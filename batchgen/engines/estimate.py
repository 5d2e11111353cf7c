"""What is still to be bought, and what would be bought again."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from batchgen.ledger import Reader
from batchgen.model import dollars, to_usd

EVERY_ROW = 1 << 62
"""A position behind every manifest's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is still to be bought.

    Attributes:
        usd: Expected price of all that has one.
        unpriced: Rows that have none.
    """

    rows: int
    images: int
    usd: Decimal
    unpriced: int


def estimate_of(ledger: Reader, below: int, generation: int) -> Estimate:
    """Return what the plan still has to buy, rows before a position."""
    values = {"generation": generation, "below": below}
    found = ledger.run("to_buy", values).fetchone()
    return Estimate(
        rows=found["rows"],
        images=found["images"],
        usd=to_usd(found["estimate"]),
        unpriced=found["unpriced"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuy:
    """Rows whose earlier version was paid for, and what buying them again costs."""

    rows: int
    usd: Decimal
    unpriced: int
    example: str

    def __str__(self) -> str:
        price = dollars(self.usd) if not self.unpriced else "an unknown price"
        return f"{self.rows} rows (the first is {self.example}) for {price}"


def rebuy_of(ledger: Reader, below: int, generation: int) -> Rebuy | None:
    """Return what is to be bought in another version; None if nothing is."""
    values = {"generation": generation, "below": below}
    found = ledger.run("to_rebuy", values).fetchone()
    if not found["rows"]:
        return None
    return Rebuy(
        rows=found["rows"],
        usd=to_usd(found["estimate"]),
        unpriced=found["unpriced"],
        example=str(found["example"]),
    )
