"""An index by digest, for the look-ups of one reading of the manifest.

A digest is a random number. An index of random numbers that grows under commits writes
a page for each row, which is gigabytes for a million rows. So the ledger has no such
index: each reading makes its own in scratch space, outside of commits and crashes.
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
CREATE TABLE occurrences (digest INTEGER PRIMARY KEY, times INTEGER);
CREATE TABLE fingerprints (digest INTEGER PRIMARY KEY);
CREATE TABLE names (digest INTEGER PRIMARY KEY, key INTEGER);
BEGIN;
"""
_SLICE = 5_000

# SQLite chooses the folder; Python cannot ask which one.
_PLACE = Path("the folder for temporary files")

NameDigests = Callable[[str, int], Iterable[int]]
"""Base name and number of images to digests of the names that the images take."""


class PlanIndex:
    """Rows of earlier readings, and the rows of this reading so far.

    Raises:
        StorageError: from every method, when there is no room for temporary files.
    """

    def __init__(
        self,
        ledger: Reader,
        name_digests: NameDigests,
        *,
        fingerprints: bool = False,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        """Look up the rows that the ledger has; it takes seconds for a million.

        Args:
            ledger: Has the rows.
            name_digests: Returns digests of the names of a row's images.
            fingerprints: Whether `add_fingerprints` will be called.
            checkpoint: Called from time to time; it raises to stop the work.
        """
        self._ledger = ledger
        self._checkpoint = checkpoint
        self._name_digests = name_digests
        self._has_names = False
        with translated(_PLACE):
            # A database without a name is in memory. Pages that do not fit go to a file
            # that is deleted with the process.
            self._scratch = sqlite3.connect(
                "", isolation_level=None, check_same_thread=False
            )
        try:
            self._fill(fingerprints=fingerprints)
        except BaseException:
            self.close()
            raise

    def _fill(self, *, fingerprints: bool) -> None:
        with translated(_PLACE):
            self._scratch.executescript(_TABLES)
        rows = self._ledger.execute("row_versions")
        while part := rows.fetchmany(_SLICE):
            self._add("INSERT INTO versions VALUES (?, ?, ?)", map(tuple, part))
            self._checkpoint()
            if fingerprints:
                self.add_fingerprints([row["fingerprint"] for row in part])

    def close(self) -> None:
        """Free the scratch space."""
        self._scratch.close()

    def versions(self, keys: Iterable[int]) -> Mapping[int, Mapping[bytes, int]]:
        """Return the rows that the ledger has of keys, by fingerprint."""
        versions: dict[int, dict[bytes, int]] = defaultdict(dict)
        for key, fingerprint, row_id in self._find("versions", "key", keys):
            versions[key][fingerprint] = row_id
        return versions

    def add_keys(self, keys: Sequence[int]) -> list[bool]:
        """Add the keys of this reading's next rows; say which occurred above."""
        above = {key for (key,) in self._find("keys", "digest", keys)}
        repeats = []
        for key in keys:
            repeats.append(key in above)
            above.add(key)
        self._add("INSERT OR IGNORE INTO keys VALUES (?)", ((key,) for key in keys))
        return repeats

    def add_fingerprints(self, fingerprints: Sequence[bytes]) -> bool:
        """Add the next rows' requests; say whether any row had one of them before."""
        digests = {
            int.from_bytes(fingerprint[:8], "big") >> 1 for fingerprint in fingerprints
        }
        is_repeated = bool(self._find("fingerprints", "digest", digests))
        self._add(
            "INSERT OR IGNORE INTO fingerprints VALUES (?)",
            ((digest,) for digest in digests),
        )
        return is_repeated or len(digests) < len(fingerprints)

    def count_occurrences(self, keys: Sequence[int]) -> list[int]:
        """Return how often each key occurred above in this reading, and count it."""
        times: dict[int, int] = dict(self._find("occurrences", "digest", keys))
        counts = []
        for key in keys:
            counts.append(times.get(key, 0))
            times[key] = counts[-1] + 1
        self._add("INSERT OR REPLACE INTO occurrences VALUES (?, ?)", times.items())
        return counts

    def owners(self, names: Iterable[int]) -> dict[int, int]:
        """Return the keys of the rows that have names, by the names' digests."""
        if not self._has_names:
            self._has_names = True
            self._add_stored_names()
        return dict(self._find("names", "digest", names))

    def add_names(self, names: Iterable[tuple[int, int]]) -> None:
        """Add names as digest and row key; an existing name keeps its key."""
        self._add("INSERT OR IGNORE INTO names VALUES (?, ?)", names)

    def _add_stored_names(self) -> None:
        rows = self._ledger.execute("rows_named")
        while part := rows.fetchmany(_SLICE):
            self._checkpoint()
            self.add_names(
                (digest, key)
                for key, base_name, images in part
                for digest in self._name_digests(base_name, images)
            )

    def _find(self, table: str, column: str, digests: Iterable[int]) -> list[Any]:
        array = json.dumps(list(digests))
        statement = (
            f"SELECT * FROM {table} "  # noqa: S608 - both names are our own
            f"WHERE {column} IN (SELECT value FROM json_each(?))"
        )
        with translated(_PLACE):
            return self._scratch.execute(statement, (array,)).fetchall()

    def _add(self, statement: str, values: Iterable[tuple[object, ...]]) -> None:
        with translated(_PLACE):
            self._scratch.executemany(statement, values)
