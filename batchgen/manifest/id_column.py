"""Find a column that could be the id: unique, and never empty.

Without an id, a row is identified by its request, so a changed template makes all rows
new ones. With an id, each row stays the same row whatever is edited.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import polars as pl

_LIKELY_NAME = re.compile(
    r"(^|[^a-z])(id|sku|gtin|ean|upc|asin|isbn|mpn|handle|slug|key|code|uuid|nr|no)"
    r"([^a-z]|$)|number|nummer|numero|referen[cz]",
    re.IGNORECASE,
)
"""Usual names of columns with identifiers, in shops and elsewhere [assumed]."""

_MAX_COLUMNS = 8
"""Columns that are watched: each needs eight bytes for a row."""
_MAX_CHARACTERS = 200
"""Length of a cell that could still be an id."""


class IdCandidates:
    """Watches the columns of a table, slice by slice, for one that could be the id."""

    def __init__(self, names: Sequence[str], excluded: Collection[str]) -> None:
        """Choose the columns to watch.

        Args:
            names: The table's columns.
            excluded: Columns that already have another meaning.
        """
        free = [name for name in names if name not in excluded]
        likely = sorted(free, key=lambda name: _LIKELY_NAME.search(name) is None)
        self._hashes: dict[str, list[pl.Series]] = {
            name: [] for name in likely[:_MAX_COLUMNS]
        }

    def watch(self, frame: pl.DataFrame) -> None:
        """Check the next slice; drop columns with a missing or repeated value."""
        for name in list(self._hashes):
            column = frame.get_column(name)
            hashes = _hashes(column)
            if hashes is None:
                del self._hashes[name]
            else:
                self._hashes[name].append(hashes)

    def best(self) -> str | None:
        """Return the likeliest column, if any; call it after the last slice."""
        for name, parts in self._hashes.items():
            hashes = pl.concat(parts) if parts else pl.Series()
            # A single value is always unique, so it proves nothing.
            if hashes.len() > 1 and hashes.is_unique().all():
                return name
        return None


def _hashes(column: pl.Series) -> pl.Series | None:
    """Return a hash of each value; None if a value cannot be an id, or is repeated."""
    if column.dtype != pl.String and not column.dtype.is_integer():
        return None
    texts = column.cast(pl.String).str.strip_chars()
    if (
        texts.null_count()
        or not texts.str.len_chars().is_between(1, _MAX_CHARACTERS).all()
    ):
        return None
    return texts.hash() if texts.is_unique().all() else None
