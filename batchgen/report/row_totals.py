"""Add up rows of the result table, whole and by the values of a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen.model import ResultRow, Status

MAX_VALUES = 20
"""A column with more values is no group that a page could show."""

NOTHING = "(none)"
_OURS = ("provider", "model", "resolution", "aspect_ratio", "status")
_ZERO = Decimal(0)


@dataclass(slots=True)
class RowTotals:
    """Sums over some rows; amounts in US dollars.

    Attributes:
        unknown: Rows that cost something which has no price; `cost` lacks it.
        estimated_done: Estimate of the rows that succeeded, where it is known.
        cost_done: What just these rows cost.
    """

    rows: int = 0
    succeeded: int = 0
    images: int = 0
    cost: Decimal = _ZERO
    unknown: int = 0
    at_risk: Decimal = _ZERO
    estimated_done: Decimal = _ZERO
    cost_done: Decimal = _ZERO

    def add(self, row: ResultRow) -> None:
        """Count one row."""
        self.rows += 1
        self.images += len(row.files)
        self.cost += row.cost_usd or _ZERO
        # What is only at risk has its own column; with a price it is not unknown.
        is_risk = row.at_risk_attempts > 0 and row.at_risk_usd is not None
        self.unknown += row.cost_usd is None and not is_risk
        self.at_risk += row.at_risk_usd or _ZERO
        if row.status is Status.SUCCEEDED:
            self.succeeded += 1
            if row.estimated_usd is not None and row.cost_usd is not None:
                self.estimated_done += row.estimated_usd
                self.cost_done += row.cost_usd

    @property
    def per_image(self) -> Decimal | None:
        """What a stored image cost, failures included; None if unknown, or no image."""
        if self.unknown or not self.images:
            return None
        return round(self.cost / self.images, 6)


@dataclass(slots=True)
class Groups:
    """Sums by the values of every column that has few of them."""

    _sums: dict[str, dict[str, RowTotals]] = field(default_factory=dict)
    _many: set[str] = field(default_factory=set)

    def add(self, row: ResultRow, own: Iterable[tuple[str, object]]) -> None:
        """Count one row, under the manifest's own columns, too."""
        for name in _OURS:
            self._count(name, getattr(row, name), row)
        for name, value in own:
            self._count(f"manifest_{name}" if name in _OURS else name, value, row)

    def _count(self, name: str, value: object, row: ResultRow) -> None:
        if name in self._many:
            return
        sums = self._sums.setdefault(name, {})
        label = NOTHING if value is None or value == "" else str(value)
        if label not in sums and len(sums) == MAX_VALUES:
            self._many.add(name)
            del self._sums[name]
            return
        sums.setdefault(label, RowTotals()).add(row)

    def __iter__(self) -> Iterator[tuple[str, list[tuple[str, RowTotals]]]]:
        """Yield each column that parts the rows, its dearest value first."""
        for name, sums in self._sums.items():
            is_key = len(sums) > 2 and all(entry.rows == 1 for entry in sums.values())
            if name == "provider" or (len(sums) > 1 and not is_key):
                yield name, sorted(sums.items(), key=lambda item: -item[1].cost)
