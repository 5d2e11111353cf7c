"""Read the contents of a run's report from one snapshot of its ledger."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen.ledger import (
    Reader,
    Totals,
    directory_images,
    purchase_slices,
    result_slices,
)
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.model import ResultRow, Status
from batchgen.output import ARCHIVE
from batchgen.output.result_table import user_values
from batchgen.report.timeline import FailureKind, Timeline, TimelineBuilder, rate_of
from batchgen.runner.row_causes import Cause, causes_among

MAX_VALUES = 20
"""The page shows no groups for a column with more values."""

NO_VALUE = "(none)"
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
        label = NO_VALUE if value is None or value == "" else str(value)
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


MAX_ROWS = 20_000
"""How many rows a page lists; sums and plots are over all rows."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in the archive that gets a thumbnail."""

    place: int
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The contents of a report.

    Attributes:
        is_whole: Whether the manifest was read to its end.
        rate_per_minute: Maximum of purchases a minute; None if it is unknown.
        timeline: None if nothing was ever sent.
        causes: Why purchases failed, the most frequent kind first.
        row_causes: Why rows did not succeed, the most frequent cause first.
        latencies_s: Latencies of all rows that succeeded, ascending.
        rows: The first rows, in manifest order.
        pictures: Images of these rows, by their SHA-256.
    """

    totals: Totals
    is_whole: bool
    is_rehearsal: bool
    overall: RowTotals
    groups: Sequence[tuple[str, Sequence[tuple[str, RowTotals]]]]
    rate_per_minute: float | None
    timeline: Timeline | None
    causes: Sequence[tuple[str, FailureKind]]
    row_causes: Sequence[Cause]
    latencies_s: Sequence[float]
    rows: Sequence[ResultRow]
    pictures: Mapping[str, Picture]


def read_report(ledger: Reader, listed_rows: int = MAX_ROWS) -> Report:
    """Read a report; a run may write to the ledger meanwhile."""
    overall, groups, events = RowTotals(), Groups(), TimelineBuilder()
    latencies_s = array("d")
    rows: list[ResultRow] = []
    with ledger.snapshot():
        for row, own in _rows(ledger):
            overall.add(row)
            groups.add(row, own.items())
            events.add_row(row)
            if row.latency_s is not None:
                latencies_s.append(row.latency_s)
            if len(rows) < listed_rows:
                rows.append(row)
        for part in purchase_slices(ledger):
            for purchase in part:
                events.add(purchase)
        groups_by_column = list(groups)
        by_provider = next(
            (sums for name, sums in groups_by_column if name == "provider"), []
        )
        totals = ledger.totals(EVERY_ROW)
        return Report(
            totals=totals,
            is_rehearsal=ledger.is_rehearsal,
            is_whole=ledger.meta.plan_digest is not None,
            overall=overall,
            groups=groups_by_column,
            rate_per_minute=rate_of(ledger, (name for name, _ in by_provider)),
            timeline=events.timeline(),
            causes=_most_frequent_first(events.causes),
            row_causes=causes_among(ledger, totals.rows, EVERY_ROW),
            latencies_s=sorted(latencies_s),
            rows=rows,
            pictures=_pictures(ledger, rows),
        )


def _rows(ledger: Reader) -> Iterator[tuple[ResultRow, dict[str, object]]]:
    for part, ipc in result_slices(ledger, ARCHIVE):
        own = user_values(ipc)
        for number, row in enumerate(part):
            yield row, {name: values[number] for name, values in own.items()}


def _pictures(ledger: Reader, rows: Sequence[ResultRow]) -> dict[str, Picture]:
    in_order = dict.fromkeys(file.sha256 for row in rows for file in row.files)
    pictures = {
        image.sha256: Picture(image.place, image.media_type)
        for image in directory_images(ledger)
        if image.sha256 in in_order
    }
    return {sha256: pictures[sha256] for sha256 in in_order if sha256 in pictures}


def _most_frequent_first(
    causes: Mapping[str, FailureKind],
) -> list[tuple[str, FailureKind]]:
    """Return kinds of failure with purchases; `row_causes` has those of rows."""
    with_purchases = [
        (error, cause) for error, cause in causes.items() if cause.purchases
    ]
    return sorted(with_purchases, key=lambda pair: (-pair[1].rows, -pair[1].purchases))
