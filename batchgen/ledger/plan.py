"""How a reading of the manifest becomes the plan: identity, names, what is new.

A reading is a new generation. It counts from its first slice on when nothing was
bought yet, so that the first request need not wait for the last row; else only
when it is complete, because nobody may buy from half a plan what the other half
would have retired.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from batchgen.ledger.edits import Edits, adopt, replace_sources
from batchgen.ledger.known import Known
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.meta import Value
from batchgen.ledger.naming import Claims, Wish, digests, grant
from batchgen.ledger.reader import Reader
from batchgen.ledger.records import PlanEntry
from batchgen.ledger.requests import dump_request
from batchgen.ledger.resuming import (
    KeyOf,
    drop_bookmark,
    put_bookmark,
    remember_rows,
)
from batchgen.ledger.route import load_route
from batchgen.model import ImageRequest, Status

REPEATED = "repeats the id of an earlier row; ids must differ"

File = tuple[str, int | None, int | None, str | None]
"""Path, size in bytes, time of its last change in nanoseconds, and its SHA-256."""


def reference_files(ledger: Reader, generation: int) -> list[File]:
    """Return the local references that a reading read, and as what."""
    return [tuple(row) for row in ledger.execute("files_all", (generation,))]


def share_nothing(ledger: Ledger) -> None:
    """Let each row of the plan be bought for itself."""
    ledger.execute("plan_share_nothing", (ledger.generation,))


SOURCES = 4096
"""Purchases that others share, remembered: thousands of rows may ask for the same."""


@dataclass(slots=True, kw_only=True)
class Judged:
    """A row of the manifest, and what it is in the ledger.

    Attributes:
        key: None for a row that has no identity, or repeats another's.
        row_id: None for one that was never read without a problem.
        stem: Its name in the archive, where it is new.
        others: Rows that are other versions of it.
        rebuy: Whether one of them was paid for, and it was not.
        is_done: What is bought stays bought, whatever the provider can do by now.
        regroup: Whether its money counts for another budget than it did.
    """

    entry: PlanEntry
    key: int | None = None
    row_id: int | None = None
    stem: str | None = None
    others: Sequence[int] = ()
    rebuy: bool = False
    is_done: bool = False
    regroup: bool = False


class PlanWriter:
    """Writes one generation of the plan, slice after slice; to be closed by its maker.

    All but `judge` and `close` are steps of the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        key_of: KeyOf,
        claims: Claims,
        *,
        dedupe: bool = False,
        reader: Reader | None = None,
        generation: int | None = None,
    ) -> None:
        """Begin a generation, or carry one on.

        Args:
            ledger: Where it goes.
            key_of: Gives a row's key.
            claims: Gives the names that a stem takes.
            dedupe: Whether rows that ask for the same share one purchase.
            reader: What `judge` looks into, anywhere; None for the ledger itself, as
                with `dedupe`.
            generation: That is carried on: `remember` is called before the next slice.
        """
        self._ledger = ledger
        self._lookup = reader or ledger
        self._checkpoint: Callable[[], None] = lambda: None
        # Rows that share are judged within the step that writes them, where a reader
        # does not see yet what those above share.
        self._reader = ledger if dedupe or reader is None else reader
        self._key_of = key_of
        self._claims = claims
        self.id_column = "id"
        """What the manifest calls the column that names its rows, for messages."""
        self._dedupe = dedupe
        self._sources: dict[tuple[bytes | None, str | None, bool], int] = {}
        if dedupe:
            # Only here is a row looked for by what it asks; random keys cost time.
            ledger.execute("rows_by_fingerprint")
            ledger.execute("rows_by_key")
        newest = ledger.execute("plan_last_generation").fetchone()[0]
        # A reading without rows is one, too.
        self.generation = generation or max(int(newest), ledger.generation) + 1
        if generation is None:
            drop_bookmark(ledger)
        if ledger.generation and generation is None:
            # Readings that were refused, or cut short and cannot be carried on.
            self._forget_others_than(ledger.generation)
        self._last_row_id = int(ledger.execute("rows_last").fetchone()[0])
        self._known: Known | None = None
        self._may_share = False
        # Before the first purchase there is nothing that an edit could lose; and to go
        # on with the plan that rows are bought from is no edit.
        is_edit = bool(ledger.generation) and generation != ledger.generation
        self._was_bought_from = is_edit and ledger.has_attempts()

    def close(self) -> None:
        """Give the scratch space back, also that of a reading that is given up."""
        if self._known is not None:
            self._known.close()

    def judge(self, entries: Sequence[PlanEntry]) -> list[Judged]:
        """Say what the rows of the next slice are, in order; nothing is written.

        The first slice takes seconds where the ledger has a million rows.
        """
        known = self._open()
        rows = [Judged(entry=it) for it in entries]
        self._identify(rows, known)
        whole = [it for it in rows if it.key is not None and it.entry.fingerprint]
        self._recognize(whole, known)
        self._register(whole, known)
        return rows

    def _open(self) -> Known:
        if self._known is None:
            names = partial(digests, self._claims)
            # Not the ledger that is written, even where rows are judged by that: what
            # is looked up now was committed before this reading began.
            self._known = Known(
                self._lookup, names, prints=self._dedupe, checkpoint=self._checkpoint
            )
        return self._known

    def look_up(self, checkpoint: Callable[[], None]) -> None:
        """Look up the rows of earlier readings, so that no step has to wait for it.

        Args:
            checkpoint: Called now and then, also in later look-ups; it raises to end
                them.
        """
        self._checkpoint = checkpoint
        self._open()

    def remember(self, unplaced: Iterable[bytes]) -> None:
        """Let a reading that is carried on know the rows above.

        Args:
            unplaced: Fingerprints of rows without id and without an entry in `rows`.
        """
        remember_rows(
            self._lookup, self._open(), self._key_of, self.generation, unplaced
        )

    def bookmark(self, digest: str, rows: int, dealt: Mapping[str, int]) -> None:
        """Remember how far this reading came, with the slice that brought it there."""
        put_bookmark(self._ledger, digest, self.generation, rows, dealt)

    def add(self, entries: Sequence[PlanEntry], own: bytes, first: int) -> None:
        """Judge and write a slice: its rows, and the manifest's own columns of them."""
        if self._dedupe:
            prints = [it.fingerprint for it in entries if it.fingerprint]
            self._may_share = self._open().met_prints(prints)
        # A row that shares, or is shared, counts for the very next one.
        for part in ([it] for it in entries) if self._may_share else (entries,):
            self._write(self.judge(part))
        self._ledger.execute("own_add", (self.generation, first, own))

    def add_judged(self, rows: Sequence[Judged], own: bytes, first: int) -> None:
        """Write a slice that was judged ahead; not for rows that share."""
        self._write(rows)
        self._ledger.execute("own_add", (self.generation, first, own))

    def _write(self, rows: Sequence[Judged]) -> None:
        self._ledger.execute_many("row_add", [_added(it) for it in rows if it.stem])
        for it in rows:
            if it.regroup:
                self._ledger.execute("row_regroup", (it.entry.budget_group, it.row_id))
                # Should this reading be refused, the next run makes the plan anew.
                self._ledger.meta.plan_digest = None
        self._ledger.execute_many("plan_add", [self._line(it) for it in rows])

    def keep_files(self, files: Iterable[File]) -> None:
        """Remember which local references were read, and as what."""
        self._ledger.execute_many("file_add", ((self.generation, *it) for it in files))

    def end(self, *, rebuy: bool = False) -> None:
        """Match the rows, all being read, with what was paid for before an edit.

        No row shares images whose names an edited row needs: versions of a row have the
        same names, and the ZIP can list those of one.
        """
        if self._was_bought_from:
            Edits(self._ledger, self.generation).match(rebuy=rebuy)
        self.close()
        # From here on nothing is carried on: it would be done twice.
        drop_bookmark(self._ledger)
        replace_sources(self._ledger, self.generation)

    def begin(self, own_schema: bytes) -> None:
        """Let this generation count from its first slice on."""
        self._ledger.meta.generation = self.generation
        self._ledger.meta.own_schema = own_schema
        self._ledger.meta.plan_digest = None
        self._ledger.meta.outputs = "stale"

    def complete(self, digest: str, own_schema: bytes, rows: int) -> None:
        """Let this generation count, whole, and forget the others."""
        adopt(self._ledger, self.generation)
        self.begin(own_schema)
        self._ledger.meta.plan_digest = digest
        self._ledger.meta.plan_rows = rows
        self._forget_others_than(self.generation)

    def _forget_others_than(self, generation: int) -> None:
        self._ledger.execute("plan_drop_others", (generation,))
        self._ledger.execute("own_drop_others", (generation,))
        self._ledger.execute("files_drop_others", (generation,))

    # -- what a row is

    def _identify(self, rows: Sequence[Judged], known: Known) -> None:
        """Give rows their keys; an id that stood above is nobody's."""
        named = [(it, it.entry.id) for it in rows if it.entry.id is not None]
        keys = [self._key_of(id, b"", 0) for _, id in named]
        for (it, _), key, is_met in zip(named, keys, known.met(keys), strict=True):
            if is_met:
                it.entry = replace(it.entry, problem=REPEATED, at_column=self.id_column)
            else:
                it.key = key
        prints = [
            (it, it.entry.fingerprint)
            for it in rows
            if it.entry.id is None and it.entry.fingerprint is not None
        ]
        bases = [self._key_of(None, it, 0) for _, it in prints]
        for (it, each), base, above in zip(
            prints, bases, known.count(bases), strict=True
        ):
            it.key = self._key_of(None, each, above) if above else base

    def _recognize(self, rows: Sequence[Judged], known: Known) -> None:
        """Find rows and their other versions among those of earlier readings."""
        keyed = [(it, it.key) for it in rows if it.key is not None]
        versions = known.versions([key for _, key in keyed])
        found = [(it, versions[key]) for it, key in keyed if key in versions]
        for it, each in found:
            it.row_id = each.get(it.entry.fingerprint or b"")
            it.others = [row_id for row_id in each.values() if row_id != it.row_id]
        stands = self._stands([row_id for _, each in found for row_id in each.values()])
        for it, _ in found:
            is_bought = False
            if it.row_id is not None:
                stand = stands[it.row_id]
                it.is_done = stand["status"] == Status.SUCCEEDED
                it.regroup = stand["budget_group"] != it.entry.budget_group
                is_bought = bool(stand["is_bought"])
                if stand["is_tried"] and not it.is_done:
                    it.entry = self._as_moved(_as_started(it.entry), it.row_id)
            others_paid = any(stands[row_id]["is_paid"] for row_id in it.others)
            it.rebuy = others_paid and not is_bought
            if it.row_id is not None and stands[it.row_id]["is_removed"]:
                it.rebuy = True

    def _stands(self, row_ids: Sequence[int]) -> Mapping[int, sqlite3.Row]:
        if not row_ids:
            return {}
        rows = self._reader.execute("rows_stand", (json.dumps(row_ids),))
        return {it["row_id"]: it for it in rows}

    def _as_moved(self, entry: PlanEntry, row_id: int) -> PlanEntry:
        """Return the entry with the provider that a row moved on to, if it did."""
        route = load_route(entry.route)
        moved_to = self._reader.planned_provider(row_id) if route else None
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

    def _register(self, rows: Sequence[Judged], known: Known) -> None:
        """Give new rows a number and a name."""
        new = {
            it.key: (it, it.entry.request)
            for it in rows
            if it.key is not None and it.row_id is None
            if it.entry.request is not None and it.entry.problem is None
        }
        wishes = [
            Wish(
                key=key,
                stem=it.entry.stem,
                images=request.n,
                lent=self._lent(it.others),
            )
            for key, (it, request) in new.items()
        ]
        stems = grant(wishes, known, self._claims)
        for (it, _), stem in zip(new.values(), stems, strict=True):
            self._last_row_id += 1
            it.row_id, it.stem = self._last_row_id, stem

    def _lent(self, others: Sequence[int]) -> frozenset[str]:
        if not self._dedupe or not others:
            return frozenset()
        found = self._reader.execute("stems_shared", (json.dumps(others),))
        return frozenset(stem for (stem,) in found)

    # -- what stands in the plan

    def _line(self, it: Judged) -> Mapping[str, Value]:
        entry = it.entry
        return {
            "generation": self.generation,
            "position": entry.position,
            "line": entry.line,
            "row_id": it.row_id,
            "id": entry.id,
            "request": _asked(entry) if it.row_id is None else None,
            "provider": entry.provider,
            "route": entry.route,
            "shares": self._row_to_share(it) if self._may_share else None,
            "model": entry.model,
            "resolution": entry.resolution,
            "estimate": entry.estimate,
            "rebuy": it.rebuy,
            "at_column": None if it.is_done else entry.at_column,
            "problem": None if it.is_done else entry.problem,
            "warning": entry.warning,
            "key": it.key if it.row_id is None else None,
            "fingerprint": entry.fingerprint if it.row_id is None else None,
        }

    def _row_to_share(self, it: Judged) -> int | None:
        """Return a row that asks for the same, in the plan or bought before."""
        entry = it.entry
        if it.row_id is None or it.is_done or entry.problem is not None:
            return None
        if self._ledger.execute("row_attempts", (it.row_id,)).fetchone() is not None:
            return None
        wanted = entry.fingerprint, entry.provider, entry.route is not None
        if wanted in self._sources:
            return self._sources[wanted]
        found = self._ledger.execute(
            "row_to_share",
            {
                "generation": self.generation,
                "fingerprint": entry.fingerprint,
                "row_id": it.row_id,
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


def _as_started(entry: PlanEntry) -> PlanEntry:
    """Return the entry of a row that has attempts: some problems spare it."""
    if not entry.spares_started:
        return entry
    return replace(entry, problem=None, at_column=None)


def _added(it: Judged) -> Sequence[Value]:
    entry = it.entry
    request = entry.request or ImageRequest(prompt="")
    return (
        it.row_id,
        it.key,
        entry.fingerprint,
        entry.id,
        it.stem,
        dump_request(request),
        request.n,
        entry.budget_group,
    )


def _asked(entry: PlanEntry) -> str | None:
    """Return what a row without an entry in `rows` asked for, as far as it is known."""
    if entry.request is not None:
        return dump_request(entry.request)
    return (
        None
        if entry.prompt is None
        else dump_request(ImageRequest(prompt=entry.prompt))
    )
