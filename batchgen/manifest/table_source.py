"""What CSV and Parquet have in common: named columns that come in slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".csv", ".parquet", ".pq")
SLICE_BYTES = 32 * 1024 * 1024
"""A slice ends early when its cells reach this: data URIs make rows of megabytes."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of a table.

    Attributes:
        lines: Where each row begins in the file, from 1; None where it has no lines.
    """

    frame: pl.DataFrame
    lines: list[int] | None

    def after(self, rows: int) -> Batch:
        """Return what is left without so many rows at the start."""
        lines = None if self.lines is None else self.lines[rows:]
        return Batch(self.frame[rows:], lines)

    def first(self) -> Batch:
        """Return the first row alone."""
        return Batch(self.frame[:1], None if self.lines is None else self.lines[:1])


class Source(Protocol):
    """A table on disk, its header read and checked.

    Attributes:
        names: Of all columns.
    """

    path: Path
    names: tuple[str, ...]

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person may want to know of how the table is read."""
        ...

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Columns that no row can be made of, and what to do about each."""
        ...

    @property
    def dropped(self) -> frozenset[str]:
        """Columns that are in no frame: no result table could hold them."""
        ...

    def empty(self) -> pl.DataFrame:
        """Return the table's columns without rows."""
        ...

    def batches(self, size: int) -> Iterator[Batch]:
        """Read the table once more from its start, at most `size` rows at a time.

        Raises:
            SpecError: the file cannot be read to its end with certainty.
        """
        ...
