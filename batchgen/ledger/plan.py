"""How a reading of the manifest becomes the plan: identity, names, what is new.

Each reading is a new generation. Where nothing was bought yet, the generation counts
from its first slice on, so that the first request need not wait for the last row. Else
it counts only when it is complete, because one half of a plan may supersede rows of the
other half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from batchgen.ledger.edits import Edits, adopt, replace_sources
from batchgen.ledger.judging import JudgedRow, RowJudge
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.meta import Value
from batchgen.ledger.naming import MemberNames, name_digests
from batchgen.ledger.plan_index import PlanIndex
from batchgen.ledger.reader import Reader
from batchgen.ledger.records import PlanEntry
from batchgen.ledger.request_json import dump_request
from batchgen.ledger.resuming import (
    KeyOf,
    drop_bookmark,
    put_bookmark,
    remember_rows,
)
from batchgen.model import ImageRequest

File = tuple[str, int | None, int | None, str | None]
"""Path, size in bytes, time of its last change in nanoseconds, and its SHA-256."""

MAX_SOURCES = 4096
"""Shared purchases that are cached: thousands of rows may ask for the same."""


def reference_files(ledger: Reader, generation: int) -> list[File]:
    """Return the local references that a reading read, and as what."""
    return [tuple(row) for row in ledger.execute("files_all", (generation,))]


def share_nothing(ledger: Ledger) -> None:
    """Plan to buy each row for itself."""
    ledger.execute("plan_share_nothing", (ledger.generation,))


class PlanWriter:
    """Writes one generation of the plan, slice after slice; to be closed by its maker.

    All but `judge` and `close` are steps of the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        key_of: KeyOf,
        member_names: MemberNames,
        *,
        dedupe: bool = False,
        reader: Reader | None = None,
        generation: int | None = None,
    ) -> None:
        """Begin a generation, or carry one on.

        Args:
            ledger: Where it goes.
            key_of: Gives a row's key.
            member_names: Gives the names that a base name takes.
            dedupe: Whether rows that ask for the same share one purchase.
            reader: What `judge` looks into, anywhere; None for the ledger itself, as
                with `dedupe`.
            generation: That is carried on: `remember` is called before the next slice.
        """
        self._ledger = ledger
        self._lookup = reader or ledger
        self._checkpoint: Callable[[], None] = lambda: None
        self._key_of = key_of
        self._member_names = member_names
        self._dedupe = dedupe
        self._sources: dict[tuple[bytes | None, str | None, bool], int] = {}
        if dedupe:
            # Only here is a row searched by what it asks for; random keys cost time.
            ledger.execute("rows_by_fingerprint")
            ledger.execute("rows_by_key")
        newest = ledger.execute("plan_last_generation").fetchone()[0]
        # A reading without rows is a generation, too.
        self.generation = generation or max(int(newest), ledger.generation) + 1
        if generation is None:
            drop_bookmark(ledger)
        if ledger.generation and generation is None:
            # Readings that were refused, or cut short and cannot be carried on.
            self._forget_others_than(ledger.generation)
        self._judge = RowJudge(
            # Rows that share are judged within the step that writes them, where a
            # reader does not see yet what those above share.
            ledger if dedupe or reader is None else reader,
            key_of,
            member_names,
            int(ledger.execute("rows_last").fetchone()[0]),
            dedupe=dedupe,
        )
        self._index: PlanIndex | None = None
        self._may_share = False
        # Before the first purchase there is nothing that an edit could lose; and to go
        # on with the plan that rows are bought from is no edit.
        is_edit = bool(ledger.generation) and generation != ledger.generation
        self._was_bought_from = is_edit and ledger.has_attempts()

    @property
    def id_column(self) -> str:
        """What the manifest calls the column of ids, for messages."""
        return self._judge.id_column

    @id_column.setter
    def id_column(self, name: str) -> None:
        self._judge.id_column = name

    def close(self) -> None:
        """Give the scratch space back, also that of a reading that is given up."""
        if self._index is not None:
            self._index.close()

    def judge(self, entries: Sequence[PlanEntry]) -> list[JudgedRow]:
        """Say what the rows of the next slice are, in order; nothing is written.

        The first slice takes seconds where the ledger has a million rows.
        """
        return self._judge.judge(entries, self._open())

    def _open(self) -> PlanIndex:
        if self._index is None:
            # Not the ledger that is written, even where rows are judged by that: what
            # is looked up now was committed before this reading began.
            self._index = PlanIndex(
                self._lookup,
                partial(name_digests, self._member_names),
                fingerprints=self._dedupe,
                checkpoint=self._checkpoint,
            )
        return self._index

    def look_up(self, checkpoint: Callable[[], None]) -> None:
        """Look up the rows of earlier readings, so that no step has to wait for it.

        Args:
            checkpoint: Called now and then, also in later look-ups; raises to stop
                them.
        """
        self._checkpoint = checkpoint
        self._open()

    def remember(self, unplaced: Iterable[bytes]) -> None:
        """Tell a reading that is carried on which rows stand above.

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
        """Judge and write a slice: its rows, and the user's columns of them."""
        if self._dedupe:
            fingerprints = [entry.fingerprint for entry in entries if entry.fingerprint]
            self._may_share = self._open().add_fingerprints(fingerprints)
        # A row that shares, or is shared, counts for the very next one.
        parts = ([entry] for entry in entries) if self._may_share else (entries,)
        for part in parts:
            self._write(self.judge(part))
        self._ledger.execute("own_add", (self.generation, first, own))

    def add_judged(self, rows: Sequence[JudgedRow], own: bytes, first: int) -> None:
        """Write a slice that was judged ahead; not for rows that share."""
        self._write(rows)
        self._ledger.execute("own_add", (self.generation, first, own))

    def _write(self, rows: Sequence[JudgedRow]) -> None:
        self._ledger.execute_many(
            "row_add", [_row_values(row) for row in rows if row.base_name]
        )
        for row in rows:
            if row.regroup:
                values = (row.entry.budget_group, row.row_id)
                self._ledger.execute("row_regroup", values)
                # Should this reading be refused, the next run makes the plan anew.
                self._ledger.meta.plan_digest = None
        self._ledger.execute_many("plan_add", [self._plan_values(row) for row in rows])

    def keep_files(self, files: Iterable[File]) -> None:
        """Remember which local references were read, and as what."""
        values = ((self.generation, *file) for file in files)
        self._ledger.execute_many("file_add", values)

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

    def begin(self, user_schema: bytes) -> None:
        """Make this generation count from its first slice on."""
        meta = self._ledger.meta
        meta.generation = self.generation
        meta.user_schema = user_schema
        meta.plan_digest = None
        meta.outputs = "stale"

    def complete(self, digest: str, user_schema: bytes, rows: int) -> None:
        """Make this whole generation count, and forget the others."""
        adopt(self._ledger, self.generation)
        self.begin(user_schema)
        self._ledger.meta.plan_digest = digest
        self._ledger.meta.plan_rows = rows
        self._forget_others_than(self.generation)

    def _forget_others_than(self, generation: int) -> None:
        for name in ("plan_drop_others", "own_drop_others", "files_drop_others"):
            self._ledger.execute(name, (generation,))

    def _plan_values(self, row: JudgedRow) -> Mapping[str, Value]:
        """Return what stands in the plan of a row."""
        entry = row.entry
        return {
            "generation": self.generation,
            "position": entry.position,
            "line": entry.line,
            "row_id": row.row_id,
            "id": entry.id,
            "request": _request_of(entry) if row.row_id is None else None,
            "provider": entry.provider,
            "route": entry.route,
            "shares": self._row_to_share(row) if self._may_share else None,
            "model": entry.model,
            "resolution": entry.resolution,
            "estimate": entry.estimate,
            "rebuy": row.rebuy,
            "at_column": None if row.is_done else entry.at_column,
            "problem": None if row.is_done else entry.problem,
            "warning": entry.warning,
            "key": row.key if row.row_id is None else None,
            "fingerprint": entry.fingerprint if row.row_id is None else None,
        }

    def _row_to_share(self, row: JudgedRow) -> int | None:
        """Return a row that asks for the same, in the plan or bought before."""
        entry = row.entry
        if row.row_id is None or row.is_done or entry.problem is not None:
            return None
        if self._ledger.execute("row_attempts", (row.row_id,)).fetchone() is not None:
            return None
        same = entry.fingerprint, entry.provider, entry.route is not None
        if same in self._sources:
            return self._sources[same]
        source = self._ledger.execute(
            "row_to_share",
            {
                "generation": self.generation,
                "fingerprint": entry.fingerprint,
                "row_id": row.row_id,
                "provider": entry.provider,
                "route": entry.route,
            },
        ).fetchone()
        if source is None:
            return None
        if len(self._sources) >= MAX_SOURCES:
            self._sources.clear()
        self._sources[same] = int(source[0])
        return int(source[0])


def _row_values(row: JudgedRow) -> Sequence[Value]:
    """Return what stands in `rows` of a new row."""
    entry = row.entry
    request = entry.request or ImageRequest(prompt="")
    return (
        row.row_id,
        row.key,
        entry.fingerprint,
        entry.id,
        row.base_name,
        dump_request(request),
        request.n,
        entry.budget_group,
    )


def _request_of(entry: PlanEntry) -> str | None:
    """Return what a row without an entry in `rows` asks for, as far as it is known."""
    if entry.request is not None:
        return dump_request(entry.request)
    if entry.prompt is not None:
        return dump_request(ImageRequest(prompt=entry.prompt))
    return None
