"""Run named queries on a ledger's file, take snapshots, read and write `meta`."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from batchgen.ledger.database import connect, queries
from batchgen.ledger.meta import Meta, Value
from batchgen.ledger.sqlite_errors import ours, translated
from batchgen.model.row_scope import RowScope

Values = Sequence[Value] | Mapping[str, Value]
"""What a query takes, in order or by name."""

_FETCHED = 1024
_SCOPE = re.compile(r"((?:plan\.)?position) < :end")


class _Cursor(sqlite3.Cursor):
    """Rows are read as they are asked for, long after the statement was executed.

    Python's own cursors raise SQLite's errors there, and not ours.
    """

    path: Path

    def __next__(self) -> Any:
        # As `translated` does, which costs four times the reading of a row.
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
        StorageError: from every method, when SQLite cannot do what was asked.
    """

    writes = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path, write=self.writes)
        self._flags: bytes | None = None

    @property
    def log(self) -> Path:
        """The file to which commits are written first; it may not be there yet."""
        return self.path.with_name(f"{self.path.name}-wal")

    def close(self) -> None:
        """Close the file; a last checkpoint folds the log into it."""
        self._connection.close()

    def copy_to(self, path: Path) -> None:
        """Copy the ledger as it stands now, also while it is written."""
        with translated(path), closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one moment of the ledger, whatever is written meanwhile."""
        with translated(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def execute(self, name: str, values: Values = ()) -> sqlite3.Cursor:
        """Execute a named query."""
        try:
            cursor = _Cursor(self._connection)
            cursor.path, cursor.row_factory = self.path, self._connection.row_factory
            return cursor.execute(self._text(name, values), values)
        except sqlite3.Error as error:
            raise ours(error, self.path) from error

    def stream(self, name: str, values: Values = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a named query as plain tuples, for many rows."""
        with translated(self.path):
            cursor = _Cursor(self._connection)
            cursor.path = self.path
            cursor.execute(self._text(name, values), values)
        try:
            while part := cursor.fetchmany(_FETCHED):
                yield from part
        finally:
            with suppress(sqlite3.Error):  # the file may be closed by now
                cursor.close()

    def _text(self, name: str, values: Values) -> str:
        """Return the text of a query, which looks at chosen rows alone where it must.

        Where all rows before `:end` are in scope, as in most runs, SQLite needs no
        function of ours for that.
        """
        text = queries()[name]
        scope = values.get("end") if isinstance(values, Mapping) else None
        if not isinstance(scope, RowScope) or scope.flags is None:
            return text
        if scope.flags is not self._flags:
            self._flags = scope.flags
            self._connection.create_function(
                "is_chosen", 1, RowScope.of_flags(scope.flags).__contains__
            )
        return _SCOPE.sub(r"\g<0> AND is_chosen(\1)", text)

    @property
    def meta(self) -> Meta:
        """The values that the folder stores beside its rows."""
        return Meta(self)

    def read_meta(self, name: str) -> Value:
        """Return a value of `meta`, None if there is none."""
        row = self.execute("meta_get", (name,)).fetchone()
        return row[0] if row else None

    def read_meta_under(self, prefix: str) -> dict[str, Value]:
        """Return the values whose names begin so, by the rest of their names."""
        rows = self.execute("meta_under", {"under": prefix})
        return {name.removeprefix(prefix): value for name, value in rows}

    def write_meta(self, name: str, value: Value) -> None:
        """Write a value of `meta`; a step of a commit, which only a `Ledger` makes."""
        self.execute("meta_set", (name, value))
