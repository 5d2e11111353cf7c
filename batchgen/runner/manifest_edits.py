"""Describe what an edit of the manifest did to rows that were paid for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from batchgen.addresses.characters import visible_line
from batchgen.ledger import Reader
from batchgen.ledger.edits import (
    count_taken_over,
    first_rows_to_rebuy,
    rows_kept,
    rows_to_rebuy,
)
from batchgen.model import dollars, to_usd

_MAX_NAMED = 3
"""How many rows a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRows:
    """Changed rows that keep the images from before the edit.

    Attributes:
        usd: What it costs to buy them anew, at the price of their images; rows without
            a known price are left out.
        unpriced: How many have no known price.
        rehearsed: Whether the money is the pretend money of a rehearsal.
    """

    rows: int
    usd: Decimal
    unpriced: int
    rehearsed: bool = False

    @property
    def price(self) -> str:
        """What it costs to buy them anew."""
        return _price(self.usd, self.unpriced, rehearsed=self.rehearsed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuy:
    """Rows that were paid for and would be bought again.

    Attributes:
        removed: How many of them lack images that were removed from the ZIP; all
            others were changed.
        usd: The expected cost of buying all of them again.
        unpriced: How many have no known price.
        names: Ids of the first rows, or their positions if they have no id.
        kept_rows: Changed rows that keep their images: --rebuy buys those again, too.
        rehearsed: Whether the money is the pretend money of a rehearsal.
    """

    rows: int
    removed: int
    usd: Decimal
    unpriced: int
    names: Sequence[str]
    kept_rows: KeptRows
    rehearsed: bool = False

    @property
    def event(self) -> str:
        """What happened to the rows, as a clause."""
        many = self.rows != 1
        which = ", ".join(self.names) + (", ..." if self.rows > len(self.names) else "")
        rows = f"{self.rows} {'rows' if many else 'row'} ({which})"
        were, they = ("were", "they were") if many else ("was", "it was")
        if self.removed == self.rows:
            return f"the images of {rows} were removed from the ZIP"
        message = f"{rows} {were} changed after {they} bought"
        if self.removed:
            message += f" (of {self.removed} the images were removed from the ZIP)"
        return message

    @property
    def price(self) -> str:
        """What it costs to buy them again."""
        return _price(self.usd, self.unpriced, rehearsed=self.rehearsed)

    def __str__(self) -> str:
        them, image = ("them", "images") if self.rows != 1 else ("it", "image")
        also, keep = "", ""
        if self.kept_rows.rows:
            many = self.kept_rows.rows != 1
            rows = f"{self.kept_rows.rows} rows" if many else "1 row"
            theirs = "theirs" if many else "its own"
            also = (
                f", which also buys the {rows} that kept {theirs} before an edit, for "
                f"about {self.kept_rows.price}"
            )
        if self.removed < self.rows:
            comma = ";" if also else ","
            keep = f"{comma} or --keep to leave the {image} that you have"
        return (
            f"{self.event}. Buying {them} again costs {self.price}: "
            f"add --rebuy{also}{keep}"
        )


def _price(usd: Decimal, unpriced: int, *, rehearsed: bool) -> str:
    amount = dollars(usd, pretend=rehearsed)
    if not unpriced:
        return amount
    return f"{amount} and more" if usd else "an unknown price"


def _kept_by(ledger: Reader, end: int, generation: int) -> KeptRows:
    kept_rows = rows_kept(ledger, end, generation)
    return KeptRows(
        rows=kept_rows.rows,
        usd=to_usd(kept_rows.estimate),
        unpriced=kept_rows.unpriced,
        rehearsed=ledger.is_rehearsal,
    )


def rebuy_of(ledger: Reader, end: int, generation: int) -> Rebuy | None:
    """Return the rows before a position that would be bought again; None if none."""
    changed = rows_to_rebuy(ledger, end, generation)
    if not changed.rows:
        return None
    first = first_rows_to_rebuy(ledger, end, generation, _MAX_NAMED)
    return Rebuy(
        rows=changed.rows,
        removed=changed.removed,
        usd=to_usd(changed.estimate),
        unpriced=changed.unpriced,
        names=[
            f"row {row.position}" if row.id is None else f'id "{visible_line(row.id)}"'
            for row in first
        ],
        kept_rows=_kept_by(ledger, end, generation),
        rehearsed=ledger.is_rehearsal,
    )


def edit_notices(ledger: Reader, end: int, generation: int) -> Iterator[str]:
    """Yield notices about rows that keep their images after an edit."""
    taken_rows = count_taken_over(ledger, end, generation)
    if taken_rows:
        rows = f"{taken_rows} rows are" if taken_rows != 1 else "1 row is"
        have = "have their" if taken_rows != 1 else "has its"
        yield (
            f"{rows} the same as before under another id or place, and {have} images "
            "already: nothing of that is bought again"
        )
    kept_rows = _kept_by(ledger, end, generation)
    if kept_rows.rows:
        rows, them = (
            (f"{kept_rows.rows} rows keep", "them")
            if kept_rows.rows != 1
            else ("1 row keeps", "it")
        )
        yield (
            f"{rows} what was bought before an edit; --rebuy would buy {them} anew, "
            f"for about {kept_rows.price}"
        )
