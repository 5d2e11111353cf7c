"""Match paid rows that an edit of the manifest removed with rows that the edit added.

Examples are a spreadsheet that rewrites ids (`0017` becomes `17`), a full stop at the
end of a template, a new column `id`. Before a row is bought a second time, the paid
rows are searched by their request and by their position.

Only the newest reading is changed, and no row is bought from that reading before it is
in use. Only `adopt` changes the rows themselves.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from batchgen.ledger.estimate import Estimate, read_estimate
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.reader import Reader

_TABLES = ("removed_rows", "added_rows", "remaining_rows", "pairs")

OUTDATED = "outdated: the row was changed after this image was paid for"

_NOWHERE = 1 << 60
"""The position of rows that are not in the reading in use: matched last."""


@dataclass(frozen=True, slots=True)
class Edits:
    """Matches a new reading with the one in use.

    Attributes:
        generation: The newest reading.
    """

    ledger: Ledger
    generation: int

    def match(self, *, rebuy: bool) -> None:
        """Assign paid images to the reading's rows, or mark rows that need consent.

        Args:
            rebuy: Whether rows that kept their results from before an edit are to be
                bought now.
        """
        self._run("edits_kept_before" if rebuy else "edits_kept")
        self._run("edits_changed_before")
        for table in _TABLES:
            self.ledger.execute(f"edits_end_{table}")
            self.ledger.execute(f"edits_begin_{table}")
        self._run("edits_added_rows")
        if self.ledger.has_any("edits_any_added_rows"):
            self._run("edits_removed_rows")
            for index in ("removed_rows", "removed_rows_keys", "removed_rows_places"):
                self.ledger.execute(f"edits_index_{index}")
            self._run("edits_remaining_rows")
            self._take_over()
            self._find_changed()
        for table in _TABLES:
            self.ledger.execute(f"edits_end_{table}")

    # -- equal rows with another key

    def _take_over(self) -> None:
        """Give new rows the paid images of equal rows with other keys."""
        self.ledger.execute_many("edits_pair", self._pairs())
        for name in ("share_taken", "take", "drop_removed_rows", "drop_added_rows"):
            self._run(f"edits_{name}")

    def _pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the position of a new row, and the row that it takes over."""
        new = groupby(self.ledger.stream("edits_same_new"), itemgetter(0))
        old = groupby(self.ledger.stream("edits_same_old"), itemgetter(0))
        # Both streams have the same fingerprints, in the same order.
        for (_, added_rows), (_, removed_rows) in zip(new, old, strict=True):
            rows = {
                _NOWHERE + number if place is None else place: row_id
                for number, (_, row_id, place) in enumerate(removed_rows)
            }
            for position, place in nearest_pairs(
                [position for _, position in added_rows], rows
            ):
                yield position, rows[place]

    # -- changed rows

    def _find_changed(self) -> None:
        self._run("edits_changed")
        self._run("edits_returned")
        if not self.ledger.has_any("edits_has_ids", (self.generation,)):
            self._run("edits_in_place")
            return
        counts = self._run("edits_kept_keys").fetchone()
        if 2 * counts["kept"] < counts["paid"]:
            self._replace()

    def _replace(self) -> None:
        """Treat as many new rows as changed as there are removed paid rows.

        Rows at the same position are paired first, then the others in order.
        """
        removed_rows = {
            row["position"]: row["row_id"]
            for row in self._run("edits_left_removed_rows")
        }
        rows = self.ledger.execute("edits_left_added_rows", (self.generation,))
        added_rows = [row["position"] for row in rows]
        pairs = [
            (removed_rows.pop(place), place)
            for place in added_rows
            if place in removed_rows
        ]
        paired = {place for _, place in pairs}
        others = (place for place in added_rows if place not in paired)
        pairs += zip(removed_rows.values(), others, strict=False)
        self.ledger.execute_many(
            "edits_replace",
            ((row_id, self.generation, place) for row_id, place in pairs),
        )

    def _run(self, name: str) -> sqlite3.Cursor:
        values = {"generation": self.generation, "adopted": self.ledger.generation}
        return self.ledger.execute(name, values)


def adopt(ledger: Ledger, generation: int) -> None:
    """Give new keys to rows that took over others."""
    for name in ("edits_remember_keys", "edits_take_keys", "edits_drop_new"):
        ledger.execute(name, {"generation": generation})


def keep(ledger: Ledger, generation: int, end: int) -> None:
    """Let changed rows before a position keep their images from before the edit.

    A row that has no such image and no running task is bought as it is now.
    """
    values = {"generation": generation, "end": end}
    if ledger.execute(
        "edits_keep", {**values, "adopted": ledger.generation, "warning": OUTDATED}
    ).rowcount:
        ledger.mark_outputs_stale()  # the rows may be in the reading in use, too
    ledger.execute("edits_keep_nothing", values)
    replace_sources(ledger, generation)


def replace_sources(ledger: Ledger, generation: int) -> None:
    """If a row whose images others share left the plan, buy the first of the others."""
    values = {"generation": generation}
    for (source,) in ledger.execute("shares_without_source", values).fetchall():
        shared = {**values, "source": source}
        [(heir,)] = ledger.execute("share_first", shared).fetchall()
        ledger.execute("share_with", {**shared, "heir": heir})


def has_kept(ledger: Reader) -> bool:
    """Say whether rows of the reading in use kept results from before an edit."""
    return ledger.has_any("edits_any_kept", (ledger.generation,))


class NamedRow(NamedTuple):
    """A row as messages name it."""

    id: str | None
    position: int


def rows_to_rebuy(ledger: Reader, end: int, generation: int) -> Estimate:
    """Add up the rows before a position that are bought again only with consent."""
    return read_estimate(ledger, "to_rebuy", {"generation": generation, "end": end})


def first_rows_to_rebuy(
    ledger: Reader, end: int, generation: int, max_rows: int
) -> list[NamedRow]:
    """Return the first of these rows."""
    values = {"generation": generation, "end": end, "max_rows": max_rows}
    return [NamedRow._make(row) for row in ledger.execute("to_rebuy_first", values)]


def rows_kept(ledger: Reader, end: int, generation: int) -> Estimate:
    """Add up the rows before a position that kept their results from before an edit."""
    values = {"generation": generation, "end": end}
    return read_estimate(ledger, "edits_kept_count", values)


def count_taken_over(ledger: Reader, end: int, generation: int) -> int:
    """Count the rows that took over purchases of another id or position."""
    return ledger.number("edits_taken_over", {"generation": generation, "end": end})


def nearest_pairs(new: Sequence[int], old: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of a new and an old position, the nearest first, each used once."""
    places = sorted([*((place, 0) for place in new), *((place, 1) for place in old)])
    before = [number - 1 for number in range(len(places))]
    after = [*range(1, len(places)), -1]
    near: list[tuple[int, int, int]] = []

    def offer(lower: int, upper: int) -> None:
        # The nearest pair of two kinds has nothing between them.
        if lower >= 0 and upper >= 0 and places[lower][1] != places[upper][1]:
            heapq.heappush(near, (places[upper][0] - places[lower][0], lower, upper))

    for lower, upper in enumerate(after):
        offer(lower, upper)
    is_paired = [False] * len(places)
    while near:
        _, lower, upper = heapq.heappop(near)
        if is_paired[lower] or is_paired[upper]:
            continue
        is_paired[lower] = is_paired[upper] = True
        first, second = sorted(
            (places[lower], places[upper]), key=lambda place: place[1]
        )
        yield first[0], second[0]
        next_lower, next_upper = before[lower], after[upper]
        if next_lower >= 0:
            after[next_lower] = next_upper
        if next_upper >= 0:
            before[next_upper] = next_lower
        offer(next_lower, next_upper)
