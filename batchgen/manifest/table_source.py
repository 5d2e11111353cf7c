"""The interface of all kinds of tables: named columns, read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import polars as pl

SLICE_BYTES = 32 * 1024 * 1024
"""A batch ends early at this size: data URIs may make rows of megabytes."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of a table.

    Attributes:
        lines: Line of the file where each row begins, or number of the sheet's row,
            from 1; None if it has no lines.
        path: The file, if the table has several; else None.
    """

    frame: pl.DataFrame
    lines: list[int] | None
    path: Path | None = None

    def after(self, rows: int) -> Batch:
        """Return the batch without the first rows."""
        lines = None if self.lines is None else self.lines[rows:]
        return Batch(self.frame[rows:], lines, self.path)

    def first(self) -> Batch:
        """Return only the first row."""
        lines = None if self.lines is None else self.lines[:1]
        return Batch(self.frame[:1], lines, self.path)


class TableSource(Protocol):
    """A table on disk whose header was read and checked.

    Attributes:
        names: Of all columns.
    """

    path: Path
    names: tuple[str, ...]

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices for the user about how the table is read."""
        ...

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Columns that cannot be read, each with what to do about it."""
        ...

    @property
    def dropped(self) -> frozenset[str]:
        """Columns that are in no batch, since the result table cannot hold them."""
        ...

    def empty(self) -> pl.DataFrame:
        """Return the table's columns without rows."""
        ...

    def batches(self, size: int) -> Iterator[Batch]:
        """Read the table again from its start, at most `size` rows at a time.

        Raises:
            SpecError: the file cannot be read reliably to its end.
        """
        ...
