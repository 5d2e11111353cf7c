"""Find and count rows that lack values which the prompt template uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING

from batchgen.manifest.missing_values import describe_missing, is_empty, is_missing

if TYPE_CHECKING:
    from batchgen.manifest.template_columns import TemplateColumns

SHARE = 10
"""If one row in ten lacks a value, nothing is bought unless the job allows it."""


@dataclass(slots=True)
class Gaps:
    """How many rows lack values in columns that the template uses.

    Attributes:
        rows: All rows that were checked.
        empty_rows: Rows with none of the values; they cannot run.
        partial_rows: Rows with some of the values.
        columns: Number of rows without a value, by column.
    """

    rows: int = 0
    empty_rows: int = 0
    partial_rows: int = 0
    columns: Counter[str] = field(default_factory=Counter)

    @property
    def incomplete_rows(self) -> int:
        """Rows that lack at least one value."""
        return self.empty_rows + self.partial_rows

    @property
    def are_many(self) -> bool:
        """Whether there are so many that it must be a mistake."""
        return self.incomplete_rows > 0 and self.incomplete_rows * SHARE >= self.rows


class GapFinder:
    """Finds missing values for one template.

    Attributes:
        columns: The columns to pass of each row.
    """

    def __init__(self, uses: TemplateColumns) -> None:
        conditional = [name for name in uses.tested if name not in uses.required]
        self.columns = uses.named
        self._required = frozenset(uses.required)
        self._conditional = frozenset(conditional)
        self._has_anchors = bool(uses.anchors)

    @property
    def can_find(self) -> bool:
        """Whether any row could lack a value."""
        return self._has_anchors or bool(self._conditional)

    def missing_in(self, cells: Mapping[str, object]) -> Sequence[str]:
        """Return the columns without a value in this row, in the order of the table."""
        missing = [is_missing(cells[name]) for name in self.columns]
        if not any(missing):
            return ()
        if self._has_anchors and all(missing):
            return self.columns
        return tuple(
            name
            for name in compress(self.columns, missing)
            if name in self._required
            # In a condition the text `nan` is a value, so it would be printed.
            or (name in self._conditional and not is_empty(cells[name]))
        )

    def is_row_empty(self, missing: Sequence[str]) -> bool:
        """Tell whether a row with these missing columns has no value at all."""
        return self._has_anchors and len(missing) == len(self.columns)

    def count(self, gaps: Gaps, missing: Sequence[str]) -> None:
        """Count a row with these missing columns."""
        gaps.rows += 1
        if missing:
            gaps.columns.update(missing)
            is_row_empty = self.is_row_empty(missing)
            gaps.empty_rows += is_row_empty
            gaps.partial_rows += not is_row_empty


def describe_empty_row(missing: Sequence[str], cells: Mapping[str, object]) -> str:
    """Say that a row has none of the values that the template uses."""
    first, *others = missing
    also = f", and there is none in {_quoted_list(others)} either" if others else ""
    return (
        f"the cell {describe_missing(cells[first])}{also}: the prompt template has "
        "nothing to go by; fill it in or leave the row out"
    )


def describe_partial_row(missing: Sequence[str], cells: Mapping[str, object]) -> str:
    """Say which values of a row are missing."""
    each = (f"`{name}` {describe_missing(cells[name])}" for name in missing)
    return f"the prompt lacks a value: {', '.join(each)}"


def describe_skipped_row(cell: object) -> str:
    """Say that a row is not bought because a value is missing."""
    reason = describe_missing(cell)
    return f'the cell {reason}, and such rows are not bought: empty = "skip"'


def _quoted_list(names: Sequence[str]) -> str:
    *first, last = [f"`{name}`" for name in names[:5]]
    if len(names) > 5:
        return f"{', '.join([*first, last])} and {len(names) - 5} more"
    return f"{', '.join(first)} and {last}" if first else last
