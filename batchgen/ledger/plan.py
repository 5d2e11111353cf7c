"""How a reading of the manifest becomes the plan: identity, names, what is new.

A reading is a new generation. It counts from its first slice on when nothing was
bought yet, so that the first request need not wait for the last row; else only
when it is complete, because nobody may buy from half a plan what the other half
would have retired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from batchgen.ledger.ledger import Ledger
from batchgen.ledger.records import PlanEntry
from batchgen.ledger.requests import dump_request
from batchgen.ledger.route import load_route
from batchgen.model import ImageRequest, Status

REPEATED = "repeats the id of an earlier row; ids must differ"

KeyOf = Callable[[str | None, bytes, int], int]
"""Id, fingerprint and occurrence to the row's key."""

Claims = Callable[[str, int], Iterable[str]]
"""Stem and number of images to the names that they take, as clashes are judged."""

SOURCES = 4096
"""Purchases that others share, remembered: thousands of rows may ask for the same."""


class PlanWriter:
    """Writes one generation of the plan, slice after slice."""

    def __init__(
        self, ledger: Ledger, key_of: KeyOf, claims: Claims, *, dedupe: bool = False
    ) -> None:
        self._ledger = ledger
        self._key_of = key_of
        self._claims = claims
        self._dedupe = dedupe
        self._sources: dict[tuple[bytes | None, str | None, bool], int] = {}
        if dedupe:
            # Only here is a row looked for by what it asks; random keys cost time.
            ledger.run("rows_by_fingerprint")
        newest = ledger.run("plan_last_generation").fetchone()[0]
        self.generation = int(newest) + 1
        if ledger.generation:
            # Readings that were refused, or cut short by a kill.
            self._forget_others_than(ledger.generation)

    def add(self, entries: Iterable[PlanEntry], own: bytes, first: int) -> None:
        """Write a slice: its rows, and the manifest's own columns of them."""
        for entry in entries:
            self._add(entry)
        self._ledger.run("own_add", (self.generation, first, own))

    def end(self) -> None:
        """Let no row share images whose names an edited row needs, all being read.

        Versions of a row have the same names, and the ZIP can list those of one.
        """
        values = {"generation": self.generation}
        for (source,) in self._ledger.run("shares_that_clash", values).fetchall():
            known = {**values, "source": source}
            [(heir,)] = self._ledger.run("share_first", known).fetchall()
            self._ledger.run("share_with", {**known, "heir": heir})

    def begin(self, own_schema: bytes) -> None:
        """Let this generation count from its first slice on."""
        self._ledger.put("generation", self.generation)
        self._ledger.put("own_schema", own_schema)
        self._ledger.put("plan_digest", None)
        self._ledger.put("outputs", "stale")

    def complete(self, digest: str, own_schema: bytes, rows: int) -> None:
        """Let this generation count, whole, and forget the others."""
        self.begin(own_schema)
        self._ledger.put("plan_digest", digest)
        self._ledger.put("plan_rows", rows)
        self._forget_others_than(self.generation)

    def _forget_others_than(self, generation: int) -> None:
        self._ledger.run("plan_drop_others", (generation,))
        self._ledger.run("own_drop_others", (generation,))

    def _add(self, entry: PlanEntry) -> None:
        base = occurrence = row_id = shares = None
        problem, at_column, rebuy = entry.problem, entry.at_column, False
        if entry.fingerprint is not None and entry.id is None:
            base = self._key_of(None, entry.fingerprint, 0)
            occurrence = self._occurrence(base)
        key = self._key(entry, occurrence or 0)
        if entry.id is not None and self._is_repeated(key):
            key, problem, at_column = None, REPEATED, "id"
        elif key is not None and entry.fingerprint is not None:
            row_id, rebuy, done = self._row_of(entry, key)
            if row_id is not None and not done:
                entry = self._as_moved(entry, row_id)
            if done:  # what is bought stays bought, whatever the provider can do
                problem = at_column = None
            elif self._dedupe and problem is None and row_id is not None:
                shares = self._row_to_share(entry, row_id)
        self._ledger.run(
            "plan_add",
            {
                "generation": self.generation,
                "position": entry.position,
                "line": entry.line,
                "key": key,
                "base": base,
                "occurrence": occurrence,
                "row_id": row_id,
                "id": entry.id,
                "request": _asked(entry) if row_id is None else None,
                "provider": entry.provider,
                "route": entry.route,
                "shares": shares,
                "model": entry.model,
                "resolution": entry.resolution,
                "estimate": entry.estimate,
                "rebuy": rebuy,
                "at_column": at_column,
                "problem": problem,
                "warning": entry.warning,
            },
        )

    def _key(self, entry: PlanEntry, occurrence: int) -> int | None:
        if entry.id is None and entry.fingerprint is None:
            return None
        return self._key_of(entry.id, entry.fingerprint or b"", occurrence)

    def _occurrence(self, base: int) -> int:
        values = (self.generation, base)
        return int(self._ledger.run("plan_next_occurrence", values).fetchone()[0])

    def _is_repeated(self, key: int | None) -> bool:
        values = (self.generation, key)
        return self._ledger.run("plan_has_key", values).fetchone() is not None

    def _row_of(self, entry: PlanEntry, key: int) -> tuple[int | None, bool, bool]:
        """Return the row's number, whether it is a re-purchase, and if it is done."""
        known = self._ledger.run("row_find", (key, entry.fingerprint)).fetchone()
        if known is not None:
            row_id, done = known["row_id"], known["status"] == Status.SUCCEEDED
            if known["budget_group"] != entry.budget_group:
                self._regroup(row_id, entry.budget_group)
            bought = self._ledger.run("row_bought", (row_id,)).fetchone() is not None
            return row_id, not bought and self._other_was_paid(entry, key), done
        if entry.request is None or entry.problem is not None:
            return None, False, False
        stem = self._take_stem(entry, key)
        cursor = self._ledger.run(
            "row_add",
            (
                key,
                entry.fingerprint,
                entry.id,
                stem,
                dump_request(entry.request),
                entry.request.n,
                entry.budget_group,
            ),
        )
        return cursor.lastrowid, self._other_was_paid(entry, key), False

    def _regroup(self, row_id: int, budget_group: str | None) -> None:
        """Let a row's money count for another budget, that of earlier runs, too."""
        self._ledger.run("row_regroup", (budget_group, row_id))
        # Should this reading be refused, the next run makes the plan anew.
        self._ledger.put("plan_digest", None)

    def _as_moved(self, entry: PlanEntry, row_id: int) -> PlanEntry:
        """Return the entry with the provider that a row moved on to, if it did."""
        route = load_route(entry.route)
        if not route or self._ledger.run("row_attempts", (row_id,)).fetchone() is None:
            return entry
        moved_to = self._ledger.planned_provider(row_id)
        for way in route:
            if way.provider == moved_to:
                return replace(
                    entry,
                    provider=way.provider,
                    model=way.model,
                    resolution=way.resolution,
                    warning=way.warning,
                )
        return entry

    def _row_to_share(self, entry: PlanEntry, row_id: int) -> int | None:
        """Return a row that asks for the same, in the plan or bought before."""
        if self._ledger.run("row_attempts", (row_id,)).fetchone() is not None:
            return None
        wanted = entry.fingerprint, entry.provider, entry.route is not None
        if wanted in self._sources:
            return self._sources[wanted]
        found = self._ledger.run(
            "row_to_share",
            {
                "generation": self.generation,
                "fingerprint": entry.fingerprint,
                "row_id": row_id,
                "provider": entry.provider,
                "route": entry.route,
            },
        ).fetchone()
        if found is None:
            return None
        if len(self._sources) >= SOURCES:
            self._sources.clear()
        self._sources[wanted] = int(found[0])
        return int(found[0])

    def _other_was_paid(self, entry: PlanEntry, key: int) -> bool:
        values = (key, entry.fingerprint)
        return self._ledger.run("row_paid_versions", values).fetchone() is not None

    def _take_stem(self, entry: PlanEntry, key: int) -> str:
        """Return a stem that no other row holds, and take it.

        Versions of one row share their names: only one of them is in the manifest. But
        what other rows have the images of stays in the ZIP.
        """
        images = entry.request.n if entry.request else 1
        stem, salt = entry.stem, 0
        while not self._is_free(stem, images, key) or self._is_lent(stem, key):
            text = f"{key}:{salt}"
            stem = f"{entry.stem}~{hashlib.sha256(text.encode()).hexdigest()[:8]}"
            salt += 1
        for name in self._claims(stem, images):
            self._ledger.run("stem_take", (self._digest(name), key))
        return stem

    def _is_free(self, stem: str, images: int, key: int) -> bool:
        for name in self._claims(stem, images):
            owner = self._ledger.run("stem_owner", (self._digest(name),)).fetchone()
            if owner is not None and owner[0] != key:
                return False
        return True

    def _is_lent(self, stem: str, key: int) -> bool:
        if not self._dedupe:
            return False
        return self._ledger.run("stem_is_shared", (key, stem)).fetchone() is not None

    @staticmethod
    def _digest(name: str) -> int:
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1


def _asked(entry: PlanEntry) -> str | None:
    """Return what a row without an entry in `rows` asked for, as far as it is known."""
    if entry.request is not None:
        return dump_request(entry.request)
    return (
        None
        if entry.prompt is None
        else dump_request(ImageRequest(prompt=entry.prompt))
    )
