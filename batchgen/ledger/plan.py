"""Write a reading of the manifest as the plan.

Each reading is a new generation. If nothing was bought yet, the generation is in use
from its first slice on, so that the first request need not wait for the last row.
Otherwise it is in use only when it is complete, because one half of a plan may
supersede rows of the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from batchgen.ledger.edits import Edits, adopt, replace_sources
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.naming import MemberNames, name_digests
from batchgen.ledger.plan_index import PlanIndex
from batchgen.ledger.reader import Reader
from batchgen.ledger.records import PlanEntry
from batchgen.ledger.resuming import (
    KeyOf,
    drop_bookmark,
    put_bookmark,
    remember_rows,
)
from batchgen.ledger.row_matching import MatchedRow, RowMatcher

File = tuple[str, int | None, int | None, str | None]
"""Path, size in bytes, time of its last change in nanoseconds, and its SHA-256."""

_PARTS_OF_A_GENERATION = (
    *("plan_drop_others", "parents_drop_others"),
    *("columns_drop_others", "files_drop_others"),
)

MAX_SOURCES = 4096
"""How many shared purchases are cached: thousands of rows may share one request."""


def reference_files(ledger: Reader, generation: int) -> list[File]:
    """Return the local references of a reading, with their state at that time."""
    return [tuple(row) for row in ledger.execute("files_all", (generation,))]


def share_nothing(ledger: Ledger) -> None:
    """Plan to buy each row separately."""
    ledger.execute("plan_share_nothing", (ledger.generation,))


class PlanWriter:
    """Writes one generation of the plan, slice after slice; the caller closes it.

    All methods but `match` and `close` are steps of the ledger.
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
            ledger: The ledger to write.
            key_of: Returns a row's key.
            member_names: Returns the member names of a base name.
            dedupe: Whether rows with the same request share one purchase.
            reader: The connection that `match` reads, in any thread; None for the
                ledger itself, as with `dedupe`.
            generation: The one to carry on: call `remember` before the next slice.
        """
        self._ledger = ledger
        self._lookup = reader or ledger
        self._checkpoint: Callable[[], None] = lambda: None
        self._key_of = key_of
        self._member_names = member_names
        self._dedupe = dedupe
        self._sources: dict[tuple[bytes | None, str | None, bool], int] = {}
        if dedupe:
            # Only deduplication searches rows by request; such an index costs time.
            ledger.execute("rows_by_fingerprint")
            ledger.execute("rows_by_key")
        newest = ledger.number("plan_last_generation")
        # A reading without rows is a generation, too.
        self.generation = generation or max(newest, ledger.generation) + 1
        if generation is None:
            drop_bookmark(ledger)
        if ledger.generation and generation is None:
            # Other readings were refused, or interrupted and cannot be carried on.
            self._forget_others_than(ledger.generation)
        self._matcher = RowMatcher(
            # Rows that share are matched within the step that writes them: another
            # connection does not see the uncommitted rows above them.
            ledger if dedupe or reader is None else reader,
            key_of,
            member_names,
            ledger.number("rows_last"),
            dedupe=dedupe,
        )
        self._index: PlanIndex | None = None
        self._may_share = False
        # Before the first purchase an edit can lose nothing. Carrying on with the plan
        # in use is no edit.
        is_edit = bool(ledger.generation) and generation != ledger.generation
        self._was_bought_from = is_edit and ledger.has_attempts()

    @property
    def id_column(self) -> str:
        """The manifest's name of the column of ids, for messages."""
        return self._matcher.id_column

    @id_column.setter
    def id_column(self, name: str) -> None:
        self._matcher.id_column = name

    def close(self) -> None:
        """Free the scratch space; also called if the reading is abandoned."""
        if self._index is not None:
            self._index.close()

    def match(self, entries: Sequence[PlanEntry]) -> list[MatchedRow]:
        """Return the next slice's rows with their match in the ledger; write nothing.

        The first slice takes seconds where the ledger has a million rows.
        """
        return self._matcher.match(entries, self._open())

    def _open(self) -> PlanIndex:
        if self._index is None:
            # The reader is enough, even if the ledger matches the rows: rows that are
            # looked up now were committed before this reading began.
            self._index = PlanIndex(
                self._lookup,
                partial(name_digests, self._member_names),
                fingerprints=self._dedupe,
                checkpoint=self._checkpoint,
            )
        return self._index

    def look_up(self, checkpoint: Callable[[], None]) -> None:
        """Look up the rows of earlier readings now, so that no step has to wait.

        Args:
            checkpoint: Called from time to time, also in later look-ups; it raises to
                stop them.
        """
        self._checkpoint = checkpoint
        self._open()

    def remember(self, unplaced: Iterable[bytes]) -> None:
        """Add the rows above to the index of a reading that is carried on.

        Args:
            unplaced: Fingerprints of rows without id and without an entry in `rows`.
        """
        remember_rows(
            self._lookup, self._open(), self._key_of, self.generation, unplaced
        )

    def bookmark(self, digest: str, rows: int, dealt: Mapping[str, int]) -> None:
        """Remember how far this reading came, in the commit of its last slice."""
        put_bookmark(self._ledger, digest, self.generation, rows, dealt)

    def add(self, entries: Sequence[PlanEntry], own: bytes, first: int) -> None:
        """Match and write a slice: its rows, and the user's columns of them."""
        if self._dedupe:
            fingerprints = [entry.fingerprint for entry in entries if entry.fingerprint]
            self._may_share = self._open().add_fingerprints(fingerprints)
        # The next row may share with this one, so rows are written one by one.
        parts = ([entry] for entry in entries) if self._may_share else (entries,)
        for part in parts:
            self._write(self.match(part))
        self._ledger.execute("columns_add", (self.generation, first, own))

    def add_matched(self, rows: Sequence[MatchedRow], own: bytes, first: int) -> None:
        """Write a slice that was matched before; not with `dedupe`."""
        self._write(rows)
        self._ledger.execute("columns_add", (self.generation, first, own))

    def _write(self, rows: Sequence[MatchedRow]) -> None:
        self._ledger.execute_many(
            "row_add", [row.row_values() for row in rows if row.base_name]
        )
        for row in rows:
            if row.regroup:
                values = (row.entry.budget_group, row.row_id)
                self._ledger.execute("row_regroup", values)
                # So that the next run makes a new plan if this reading is refused.
                self._ledger.meta.plan_digest = None
        self._ledger.execute_many(
            "parents_add",
            [
                (self.generation, row.entry.position, parent)
                for row in rows
                for parent in row.entry.parents
            ],
        )
        self._ledger.execute_many(
            "plan_add",
            [
                row.plan_values(
                    self.generation,
                    self._row_to_share(row) if self._may_share else None,
                )
                for row in rows
            ],
        )

    def keep_files(self, files: Iterable[File]) -> None:
        """Remember which local references were read, with their state."""
        values = ((self.generation, *file) for file in files)
        self._ledger.execute_many("file_add", values)

    def end(self, *, rebuy: bool = False) -> None:
        """Match all rows with purchases from before an edit, when all are read.

        No row shares images whose names an edited row needs: versions of a row have the
        same names, and the ZIP can list only one of them.
        """
        if self._was_bought_from:
            Edits(self._ledger, self.generation).match(rebuy=rebuy)
        self.close()
        # After this step the reading cannot be carried on: the step would run twice.
        drop_bookmark(self._ledger)
        replace_sources(self._ledger, self.generation)

    def begin(self, user_schema: bytes) -> None:
        """Put this generation into use from its first slice on."""
        meta = self._ledger.meta
        meta.generation = self.generation
        meta.user_schema = user_schema
        meta.plan_digest = None
        meta.outputs = "stale"

    def complete(self, digest: str, user_schema: bytes, rows: int) -> None:
        """Put this complete generation into use, and forget the others."""
        adopt(self._ledger, self.generation)
        self.begin(user_schema)
        self._ledger.meta.plan_digest = digest
        self._ledger.meta.plan_rows = rows
        self._forget_others_than(self.generation)

    def _forget_others_than(self, generation: int) -> None:
        for name in _PARTS_OF_A_GENERATION:
            self._ledger.execute(name, (generation,))

    def _row_to_share(self, row: MatchedRow) -> int | None:
        """Return a row with the same request, in the plan or bought before."""
        entry = row.entry
        if row.row_id is None or row.is_done or entry.problem is not None:
            return None
        if self._ledger.has_any("row_attempts", (row.row_id,)):
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
