"""Rows that have no value where the prompt template uses one: judged and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING

from batchgen.manifest.missing_values import is_missing, words_of

if TYPE_CHECKING:
    from batchgen.manifest.template_columns import TemplateColumns

SHARE = 10
"""Where one row of so many lacks a value, nothing is bought before the job says so."""


@dataclass(slots=True)
class Gaps:
    """How many rows have no value in columns that the template uses.

    Attributes:
        rows: All that were looked at.
        whole: Rows that have none of the values; they cannot run.
        some: Rows that have some of them.
        columns: Rows without a value, by column.
    """

    rows: int = 0
    whole: int = 0
    some: int = 0
    columns: Counter[str] = field(default_factory=Counter)

    @property
    def lacking(self) -> int:
        """Rows that lack one value or more."""
        return self.whole + self.some

    @property
    def are_many(self) -> bool:
        """Whether they are so many that nobody can have meant it."""
        return self.lacking > 0 and self.lacking * SHARE >= self.rows


class GapFinder:
    """Judges rows by the columns of one template.

    Attributes:
        columns: Those that it must be given of each row.
    """

    def __init__(self, uses: TemplateColumns) -> None:
        conditional = [name for name in uses.tested if name not in uses.required]
        self.columns = uses.named
        self._required = frozenset(uses.required)
        self._conditional = frozenset(conditional)
        self._has_anchors = bool(uses.anchors)

    @property
    def can_find(self) -> bool:
        """Whether a row of any content could lack something."""
        return self._has_anchors or bool(self._conditional)

    def lacks(self, cells: Mapping[str, object]) -> Sequence[str]:
        """Return the columns whose value the row lacks, in the order of the table."""
        missing = [is_missing(cells[name]) for name in self.columns]
        if not any(missing):
            return ()
        if self._has_anchors and all(missing):
            return self.columns
        return tuple(
            name
            for name in compress(self.columns, missing)
            if name in self._required
            # A condition takes such a text for a value: `in nan` is no colour.
            or (name in self._conditional and words_of(cells[name]) != "is empty")
        )

    def is_whole(self, lacks: Sequence[str]) -> bool:
        """Tell whether a row that lacks these columns has no value at all."""
        return self._has_anchors and len(lacks) == len(self.columns)

    def count(self, gaps: Gaps, lacks: Sequence[str]) -> None:
        """Count a row that lacks these columns."""
        gaps.rows += 1
        if lacks:
            gaps.columns.update(lacks)
            gaps.whole += self.is_whole(lacks)
            gaps.some += not self.is_whole(lacks)


def whole_words(lacks: Sequence[str], cells: Mapping[str, object]) -> str:
    """Say that a row has none of the values that the template uses."""
    first, *others = lacks
    also = f", and there is none in {_ticked(others)} either" if others else ""
    return (
        f"the cell {words_of(cells[first])}{also}: the prompt template has nothing to "
        "go by; fill it in or leave the row out"
    )


def some_words(lacks: Sequence[str], cells: Mapping[str, object]) -> str:
    """Say which values a row lacks, though it has others."""
    each = (f"`{name}` {words_of(cells[name])}" for name in lacks)
    return f"the prompt lacks a value: {', '.join(each)}"


def skipped_words(cell: object) -> str:
    """Say that a row is not bought for a value that it lacks."""
    return f'the cell {words_of(cell)}, and such rows are not bought: empty = "skip"'


def _ticked(names: Sequence[str]) -> str:
    *first, last = [f"`{name}`" for name in names[:5]]
    if len(names) > 5:
        return f"{', '.join([*first, last])} and {len(names) - 5} more"
    return f"{', '.join(first)} and {last}" if first else last
