"""Run named queries on a ledger's file, take snapshots, read and write `meta`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from batchgen.ledger.database import connect, queries
from batchgen.ledger.meta import Meta, Value
from batchgen.ledger.sqlite_errors import ours, translated

Values = Sequence[Value] | Mapping[str, Value]
"""What a query takes, in order or by name."""

_FETCHED = 1024


class _Cursor(sqlite3.Cursor):
    """Raises batchgen's errors, also while it reads rows of an earlier statement."""

    path: Path

    def __next__(self) -> Any:
        # `translated` does the same, but takes four times as long as reading a row.
        try:
            return super().__next__()
        except sqlite3.Error as error:
            raise ours(error, self.path) from error

    def fetchone(self) -> Any:
        try:
            return super().fetchone()
        except sqlite3.Error as error:
            raise ours(error, self.path) from error

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        with translated(self.path):
            return super().fetchmany(size)

    def fetchall(self) -> list[Any]:
        with translated(self.path):
            return super().fetchall()


class QueryRunner:
    """Runs named queries on a ledger's file.

    Raises:
        StorageError: from every method, when SQLite fails.
    """

    writes = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path, write=self.writes)

    @property
    def log(self) -> Path:
        """The file to which commits are written first; it may not exist yet."""
        return self.path.with_name(f"{self.path.name}-wal")

    def close(self) -> None:
        """Close the file; a last checkpoint moves the log into it."""
        self._connection.close()

    def copy_to(self, path: Path) -> None:
        """Copy the ledger in its present state, also while it is written."""
        with translated(path), closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one state of the ledger, whatever is written meanwhile."""
        with translated(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def execute(self, name: str, values: Values = ()) -> sqlite3.Cursor:
        try:
            cursor = _Cursor(self._connection)
            cursor.path, cursor.row_factory = self.path, self._connection.row_factory
            return cursor.execute(queries()[name], values)
        except sqlite3.Error as error:
            raise ours(error, self.path) from error

    def number(self, name: str, values: Values = ()) -> int:
        """Return the number that a named query returns."""
        return int(self.execute(name, values).fetchone()[0])

    def has_any(self, name: str, values: Values = ()) -> bool:
        """Say whether a named query returns any row."""
        return self.execute(name, values).fetchone() is not None

    def stream(self, name: str, values: Values = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a named query as plain tuples, for many rows."""
        with translated(self.path):
            cursor = _Cursor(self._connection)
            cursor.path = self.path
            cursor.execute(queries()[name], values)
        try:
            while part := cursor.fetchmany(_FETCHED):
                yield from part
        finally:
            with suppress(sqlite3.Error):  # the file may be closed by now
                cursor.close()

    @property
    def meta(self) -> Meta:
        """The table `meta`, with the types of its values."""
        return Meta(self)

    def read_meta(self, name: str) -> Value:
        """Return a value of `meta`, None if there is none."""
        row = self.execute("meta_get", (name,)).fetchone()
        return row[0] if row else None

    def read_meta_under(self, prefix: str) -> dict[str, Value]:
        """Return the values whose names have a prefix, by the rest of their names."""
        rows = self.execute("meta_under", {"under": prefix})
        return {name.removeprefix(prefix): value for name, value in rows}

    def write_meta(self, name: str, value: Value) -> None:
        """Write a value of `meta`; a step of a commit, so only a `Ledger` can do it."""
        self.execute("meta_set", (name, value))
