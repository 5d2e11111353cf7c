"""Describe what an edit of the manifest did to rows that were paid for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batchgen.addresses.characters import visible_line
from batchgen.ledger import Reader
from batchgen.ledger.edits import (
    count_taken_over,
    first_rows_to_rebuy,
    rows_kept,
    rows_to_rebuy,
)
from batchgen.ledger.estimate import Estimate
from batchgen.model import dollars, to_usd

_MAX_NAMED = 3
"""How many rows a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuy:
    """Rows that were paid for and would be bought again.

    Attributes:
        rows: The rows, and the expected cost of buying all of them again. Some lack
            images that were removed from the ZIP; all others were changed.
        kept_rows: Changed rows that keep their images: --rebuy buys those again, too,
            at the price of their images.
        names: Ids of the first rows, or their positions if they have no id.
        rehearsed: Whether the money is the pretend money of a rehearsal.
    """

    rows: Estimate
    kept_rows: Estimate
    names: Sequence[str]
    rehearsed: bool

    @property
    def event(self) -> str:
        """What happened to the rows, as a clause."""
        count, removed = self.rows.rows, self.rows.removed
        which = ", ".join(self.names) + (", ..." if count > len(self.names) else "")
        rows = f"{count} {'rows' if count != 1 else 'row'} ({which})"
        were, they = ("were", "they were") if count != 1 else ("was", "it was")
        if removed == count:
            return f"the images of {rows} were removed from the ZIP"
        message = f"{rows} {were} changed after {they} bought"
        if removed:
            message += f" (of {removed} the images were removed from the ZIP)"
        return message

    @property
    def price(self) -> str:
        """What it costs to buy them again."""
        return _price(self.rows, rehearsed=self.rehearsed)

    def __str__(self) -> str:
        them, image = ("them", "images") if self.rows.rows != 1 else ("it", "image")
        also, keep = "", ""
        if kept := self.kept_rows.rows:
            rows = f"{kept} rows" if kept != 1 else "1 row"
            theirs = "theirs" if kept != 1 else "its own"
            price = _price(self.kept_rows, rehearsed=self.rehearsed)
            also = (
                f", which also buys the {rows} that kept {theirs} before an edit, for "
                f"about {price}"
            )
        if self.rows.removed < self.rows.rows:
            comma = ";" if also else ","
            keep = f"{comma} or --keep to leave the {image} that you have"
        return (
            f"{self.event}. Buying {them} again costs {self.price}: "
            f"add --rebuy{also}{keep}"
        )


def _price(rows: Estimate, *, rehearsed: bool) -> str:
    amount = dollars(to_usd(rows.estimate), pretend=rehearsed)
    if not rows.unpriced:
        return amount
    return f"{amount} and more" if rows.estimate else "an unknown price"


def rebuy_of(ledger: Reader, end: int, generation: int) -> Rebuy | None:
    """Return the rows before a position that would be bought again; None if none."""
    rows = rows_to_rebuy(ledger, end, generation)
    if not rows.rows:
        return None
    first = first_rows_to_rebuy(ledger, end, generation, _MAX_NAMED)
    return Rebuy(
        rows=rows,
        kept_rows=rows_kept(ledger, end, generation),
        names=[
            f"row {row.position}" if row.id is None else f'id "{visible_line(row.id)}"'
            for row in first
        ],
        rehearsed=ledger.is_rehearsal,
    )


def edit_notices(ledger: Reader, end: int, generation: int) -> Iterator[str]:
    """Yield notices about rows that keep their images after an edit."""
    if moved := count_taken_over(ledger, end, generation):
        rows = f"{moved} rows are" if moved != 1 else "1 row is"
        have = "have their" if moved != 1 else "has its"
        yield (
            f"{rows} the same as before under another id or place, and {have} images "
            "already: nothing of that is bought again"
        )
    kept = rows_kept(ledger, end, generation)
    if kept.rows:
        rows = f"{kept.rows} rows keep" if kept.rows != 1 else "1 row keeps"
        them = "them" if kept.rows != 1 else "it"
        yield (
            f"{rows} what was bought before an edit; --rebuy would buy {them} anew, "
            f"for about {_price(kept, rehearsed=ledger.is_rehearsal)}"
        )
