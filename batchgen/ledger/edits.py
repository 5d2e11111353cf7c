"""Match paid rows that an edit of the manifest removed with rows that it added.

Spreadsheets rewrite ids (`0017` becomes `17`), a template gets a full stop, a column
`id` is added. Before anything is bought a second time, paid rows are searched by what
they asked for, and by their position.

Only the reading that was just written is changed, and no row is bought from that before
it counts. Only `adopt` changes the rows themselves.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from batchgen.ledger.database import queries
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.reader import Reader

_TABLES = ("gone", "fresh", "standing", "pairs")

OUTDATED = "outdated: the row was changed after this image was paid for"

_NOWHERE = 1 << 60
"""The position of rows that the reading that counts does not have: matched last."""


@dataclass(frozen=True, slots=True)
class Edits:
    """Matches one reading with the one that counts.

    Attributes:
        generation: The reading that was just written.
    """

    ledger: Ledger
    generation: int

    def match(self, *, rebuy: bool) -> None:
        """Assign to the reading's rows what was paid for, or ask for consent.

        Args:
            rebuy: Whether rows that kept what they had before an edit are to be
                bought now.
        """
        self._run("edits_kept_before" if rebuy else "edits_kept")
        self._run("edits_changed_before")
        for table in _TABLES:
            self.ledger.execute(f"edits_end_{table}")
            self.ledger.execute(f"edits_begin_{table}")
        self._run("edits_fresh")
        if self.ledger.execute("edits_any_fresh").fetchone():
            self._run("edits_gone")
            for index in ("gone", "gone_keys", "gone_places"):
                self.ledger.execute(f"edits_index_{index}")
            self._run("edits_standing")
            self._take_over()
            self._find_changed()
        for table in _TABLES:
            self.ledger.execute(f"edits_end_{table}")

    # -- what is the same under another key

    def _take_over(self) -> None:
        """Give new rows what was paid for under other keys."""
        self.ledger.execute_many("edits_pair", self._pairs())
        for name in ("share_taken", "take", "drop_gone", "drop_fresh"):
            self._run(f"edits_{name}")

    def _pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the position of a new row, and the row that it takes over."""
        new = groupby(self.ledger.stream("edits_same_new"), itemgetter(0))
        old = groupby(self.ledger.stream("edits_same_old"), itemgetter(0))
        # Both have the same fingerprints, in order.
        for (_, fresh), (_, gone) in zip(new, old, strict=True):
            rows = {
                _NOWHERE + number if place is None else place: row_id
                for number, (_, row_id, place) in enumerate(gone)
            }
            for position, place in nearest_pairs(
                [position for _, position in fresh], rows
            ):
                yield position, rows[place]

    # -- what was changed

    def _find_changed(self) -> None:
        self._run("edits_changed")
        self._run("edits_returned")
        if not self.ledger.execute("edits_has_ids", (self.generation,)).fetchone():
            self._run("edits_in_place")
            return
        keys = self._run("edits_kept_keys").fetchone()
        if 2 * keys["kept"] < keys["paid"]:
            self._replace()

    def _replace(self) -> None:
        """Treat as many new rows as changed as there are paid rows gone.

        First rows at the same position are paired, then the rest in order.
        """
        gone = {row["position"]: row["row_id"] for row in self._run("edits_left_gone")}
        rows = self.ledger.execute("edits_left_fresh", (self.generation,))
        fresh = [row["position"] for row in rows]
        pairs = [(gone.pop(place), place) for place in fresh if place in gone]
        paired = {place for _, place in pairs}
        others = (place for place in fresh if place not in paired)
        pairs += zip(gone.values(), others, strict=False)
        self.ledger.execute_many(
            "edits_replace",
            ((row_id, self.generation, place) for row_id, place in pairs),
        )

    def _run(self, name: str) -> sqlite3.Cursor:
        statement = queries()[name]
        values = {"generation": self.generation, "adopted": self.ledger.generation}
        named = {key: value for key, value in values.items() if f":{key}" in statement}
        return self.ledger.execute(name, named)


def adopt(ledger: Ledger, generation: int) -> None:
    """Give rows that took something over their new keys."""
    values = {"generation": generation}
    for name in ("edits_remember_keys", "edits_take_keys", "edits_drop_new"):
        ledger.execute(name, values)


def keep(ledger: Ledger, generation: int, end: int) -> None:
    """Give changed rows before a position what was paid for before their edit.

    A row for which that brought no image, and no task still runs, is bought as it is.
    """
    values = {"generation": generation, "end": end}
    adopted = ledger.generation
    kept = ledger.execute(
        "edits_keep", {**values, "adopted": adopted, "warning": OUTDATED}
    )
    if kept.rowcount:
        ledger.mark_outputs_stale()  # of the reading that counts, perhaps
    ledger.execute("edits_keep_nothing", values)
    replace_sources(ledger, generation)


def replace_sources(ledger: Ledger, generation: int) -> None:
    """Where the row that others share left the plan, buy the first of the others."""
    values = {"generation": generation}
    for (source,) in ledger.execute("shares_without_source", values).fetchall():
        shared = {**values, "source": source}
        [(heir,)] = ledger.execute("share_first", shared).fetchall()
        ledger.execute("share_with", {**shared, "heir": heir})


def has_kept(ledger: Reader) -> bool:
    """Say whether rows of the reading that counts kept what they had before an edit."""
    return ledger.execute("edits_any_kept", (ledger.generation,)).fetchone() is not None


def nearest_pairs(new: Sequence[int], old: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of a new and an old position, the nearest first, each used once."""
    places = sorted([*((place, 0) for place in new), *((place, 1) for place in old)])
    before = [number - 1 for number in range(len(places))]
    after = [*range(1, len(places)), -1]
    near: list[tuple[int, int, int]] = []

    def offer(left: int, right: int) -> None:
        # The nearest pair of two kinds has nothing between them.
        if left >= 0 and right >= 0 and places[left][1] != places[right][1]:
            heapq.heappush(near, (places[right][0] - places[left][0], left, right))

    for left, right in enumerate(after):
        offer(left, right)
    is_used = [False] * len(places)
    while near:
        _, left, right = heapq.heappop(near)
        if is_used[left] or is_used[right]:
            continue
        is_used[left] = is_used[right] = True
        first, second = sorted(
            (places[left], places[right]), key=lambda place: place[1]
        )
        yield first[0], second[0]
        outer_left, outer_right = before[left], after[right]
        if outer_left >= 0:
            after[outer_left] = outer_right
        if outer_right >= 0:
            before[outer_right] = outer_left
        offer(outer_left, outer_right)
