"""Find a column that could be the id: unique, and never empty.

Rows without an id are known by what they ask for, so a template that changes makes
all of them other rows. With an id, each row stays itself whatever is edited.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import polars as pl

_LIKELY = re.compile(
    r"(^|[^a-z])(id|sku|gtin|ean|upc|asin|isbn|mpn|handle|slug|key|code|uuid|nr|no)"
    r"([^a-z]|$)|number|nummer|numero|referen[cz]",
    re.IGNORECASE,
)
"""What columns that number things are called, in shops and elsewhere [assumed]."""

_MOST_COLUMNS = 8
"""Columns that are watched: each takes eight bytes a row."""
_LONGEST = 200
"""Characters of a cell that could still be an id."""


class IdCandidates:
    """Watches the columns of a table, slice by slice, for one that could be the id."""

    def __init__(self, names: Sequence[str], used: Collection[str]) -> None:
        """Prepare to watch.

        Args:
            names: The table's columns.
            used: Those that mean something else already.
        """
        free = [name for name in names if name not in used]
        likely = sorted(free, key=lambda name: _LIKELY.search(name) is None)
        self._hashes: dict[str, list[pl.Series]] = {
            name: [] for name in likely[:_MOST_COLUMNS]
        }

    def watch(self, frame: pl.DataFrame) -> None:
        """Look at the next slice; a column in which a value is lacking is out."""
        for name in list(self._hashes):
            column = frame.get_column(name)
            hashes = _hashes(column)
            if hashes is None:
                del self._hashes[name]
            else:
                self._hashes[name].append(hashes)

    def best(self) -> str | None:
        """Return the likeliest column, all rows being read; None if there is none."""
        for name, parts in self._hashes.items():
            hashes = pl.concat(parts) if parts else pl.Series()
            # One value differs from all others, whatever it stands for.
            if hashes.len() > 1 and hashes.is_unique().all():
                return name
        return None


def _hashes(column: pl.Series) -> pl.Series | None:
    """Return a digest of each value; None where one is no id, or stands there twice."""
    if column.dtype != pl.String and not column.dtype.is_integer():
        return None
    texts = column.cast(pl.String).str.strip_chars()
    if texts.null_count() or not texts.str.len_chars().is_between(1, _LONGEST).all():
        return None
    return texts.hash() if texts.is_unique().all() else None
