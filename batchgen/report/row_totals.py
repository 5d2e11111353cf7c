"""Add up rows of the result table, all of them and by the values of each column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen.model import ResultRow, Status

MAX_VALUES = 20
"""The page shows no groups for a column with more values."""

NOTHING = "(none)"
_COLUMNS = ("provider", "model", "resolution", "aspect_ratio", "status")
_ZERO = Decimal(0)


@dataclass(slots=True)
class RowTotals:
    """Sums over some rows; amounts in US dollars.

    Attributes:
        unknown: How many rows have an unknown cost, which is not part of `cost`.
        estimated_done: Estimate of the succeeded rows for which it is known.
        cost_done: Cost of the same rows.
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
        # A cost that is only at risk has its own column, so it is not unknown.
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
        """Cost of a stored image, failures included; None if unknown, or no image."""
        if self.unknown or not self.images:
            return None
        return round(self.cost / self.images, 6)


@dataclass(slots=True)
class Groups:
    """Sums by the values of each column that has few of them."""

    _sums: dict[str, dict[str, RowTotals]] = field(default_factory=dict)
    _ignored: set[str] = field(default_factory=set)

    def add(self, row: ResultRow, user_values: Iterable[tuple[str, object]]) -> None:
        """Count one row, also by the columns of the user."""
        for name in _COLUMNS:
            self._count(name, getattr(row, name), row)
        for name, value in user_values:
            self._count(f"manifest_{name}" if name in _COLUMNS else name, value, row)

    def _count(self, name: str, value: object, row: ResultRow) -> None:
        if name in self._ignored:
            return
        sums = self._sums.setdefault(name, {})
        label = NOTHING if value is None or value == "" else str(value)
        if label not in sums and len(sums) == MAX_VALUES:
            self._ignored.add(name)
            del self._sums[name]
            return
        sums.setdefault(label, RowTotals()).add(row)

    def __iter__(self) -> Iterator[tuple[str, list[tuple[str, RowTotals]]]]:
        """Yield each column that groups the rows, its most expensive value first."""
        for name, sums in self._sums.items():
            is_key = len(sums) > 2 and all(totals.rows == 1 for totals in sums.values())
            if name == "provider" or (len(sums) > 1 and not is_key):
                yield name, sorted(sums.items(), key=lambda pair: -pair[1].cost)
