"""What one reading of the manifest must look up for each row, by digest.

A digest is a random number, and an index of random numbers that grows under commits
writes a page for each row: of a million rows, gigabytes. So the ledger has none. Each
reading lays its own out on scratch space that no commit and no crash concerns.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from batchgen.ledger.reader import Reader
from batchgen.ledger.sqlite_errors import translated

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -32000;
CREATE TABLE versions (key INTEGER, fingerprint BLOB, row_id INTEGER,
                       PRIMARY KEY (key, fingerprint)) WITHOUT ROWID;
CREATE TABLE keys (digest INTEGER PRIMARY KEY);
CREATE TABLE bases (digest INTEGER PRIMARY KEY, times INTEGER);
CREATE TABLE prints (digest INTEGER PRIMARY KEY);
CREATE TABLE stems (digest INTEGER PRIMARY KEY, key INTEGER);
BEGIN;
"""
_SLICE = 5_000

# SQLite chooses it, not as Python does: what is told must not name another.
_PLACE = Path("the folder for temporary files")

Names = Callable[[str, int], Iterable[int]]
"""Stem and number of images to digests of the names that they take."""


class Known:
    """Rows of earlier readings, and what this one has met so far.

    Raises:
        StorageError: from every method, when there is no room for temporary files.
    """

    def __init__(
        self,
        ledger: Reader,
        names: Names,
        *,
        prints: bool = False,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        """Look up the rows that the ledger has; it takes seconds for a million.

        Args:
            ledger: Where they are.
            names: Digests what a row's images are called.
            prints: Whether it will be asked which rows ask for the same.
            checkpoint: Called now and then while it looks; it raises to end that.
        """
        self._ledger = ledger
        self._checkpoint = checkpoint
        self._names = names
        self._has_stems = False
        with translated(_PLACE):
            # Without a name SQLite keeps it in memory, and what is too much for that
            # in a file that goes with the process.
            self._scratch = sqlite3.connect(
                "", isolation_level=None, check_same_thread=False
            )
        try:
            self._fill(prints=prints)
        except BaseException:
            self.close()
            raise

    def _fill(self, *, prints: bool) -> None:
        with translated(_PLACE):
            self._scratch.executescript(_TABLES)
        rows = self._ledger.execute("rows_known")
        while part := rows.fetchmany(_SLICE):
            self._add("INSERT INTO versions VALUES (?, ?, ?)", map(tuple, part))
            self._checkpoint()
            if prints:
                self.met_prints([row["fingerprint"] for row in part])

    def close(self) -> None:
        """Give the scratch space back."""
        self._scratch.close()

    def versions(self, keys: Iterable[int]) -> Mapping[int, Mapping[bytes, int]]:
        """Return the rows that the ledger has of keys, by fingerprint."""
        found: dict[int, dict[bytes, int]] = defaultdict(dict)
        for key, fingerprint, row_id in self._find("versions", "key", keys):
            found[key][fingerprint] = row_id
        return found

    def met(self, keys: Sequence[int]) -> list[bool]:
        """Say of each key if this reading met it above, and remember it."""
        above = {it[0] for it in self._find("keys", "digest", keys)}
        told = []
        for key in keys:
            told.append(key in above)
            above.add(key)
        self._add("INSERT OR IGNORE INTO keys VALUES (?)", ((it,) for it in keys))
        return told

    def met_prints(self, prints: Sequence[bytes]) -> bool:
        """Say if any row asks for what another did, and remember what these ask for."""
        digests = {int.from_bytes(it[:8], "big") >> 1 for it in prints}
        is_met = bool(self._find("prints", "digest", digests))
        self._add("INSERT OR IGNORE INTO prints VALUES (?)", ((it,) for it in digests))
        return is_met or len(digests) < len(prints)

    def count(self, bases: Sequence[int]) -> list[int]:
        """Say how often each stood above in this reading, and count it."""
        times: dict[int, int] = dict(self._find("bases", "digest", bases))
        told = []
        for base in bases:
            told.append(times.get(base, 0))
            times[base] = told[-1] + 1
        self._add("INSERT OR REPLACE INTO bases VALUES (?, ?)", times.items())
        return told

    def owners(self, stems: Iterable[int]) -> dict[int, int]:
        """Return the keys of the rows that have names, by the names' digests."""
        if not self._has_stems:
            self._has_stems = True
            self._add_stems()
        return dict(self._find("stems", "digest", stems))

    def take(self, stems: Iterable[tuple[int, int]]) -> None:
        """Let rows have names: digest and key; who has one already keeps it."""
        self._add("INSERT OR IGNORE INTO stems VALUES (?, ?)", stems)

    def _add_stems(self) -> None:
        rows = self._ledger.execute("rows_named")
        while part := rows.fetchmany(_SLICE):
            self._checkpoint()
            self.take(
                (digest, key)
                for key, stem, images in part
                for digest in self._names(stem, images)
            )

    def _find(self, table: str, column: str, digests: Iterable[int]) -> list[Any]:
        listed = json.dumps(list(digests))
        statement = (
            f"SELECT * FROM {table} "  # noqa: S608 - both names are our own
            f"WHERE {column} IN (SELECT value FROM json_each(?))"
        )
        with translated(_PLACE):
            return self._scratch.execute(statement, (listed,)).fetchall()

    def _add(self, statement: str, values: Iterable[tuple[object, ...]]) -> None:
        with translated(_PLACE):
            self._scratch.executemany(statement, values)
