"""The ledger's file: named queries, snapshots, commits, and whether it is in place."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from batchgen.drives import reason_of
from batchgen.errors import LedgerMissing, StorageError
from batchgen.ledger.database import connect, queries
from batchgen.ledger.meta import Meta, Value
from batchgen.ledger.sqlite_errors import ours, translated
from batchgen.model.row_scope import RowScope

Values = Sequence[Value] | Mapping[str, Value]
"""What a query takes, in order or by name."""

_FETCHED = 1024
_SCOPE = re.compile(r"((?:plan\.)?position) < :end")


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
        self._flags: bytes | None = None

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
            return cursor.execute(self._text(name, values), values)
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


class LedgerFile(QueryRunner):
    """The file of a ledger that one process writes, in commits.

    Attributes:
        holds_key: Says whether a text contains a key. A link with a key is never
            written: only the task that downloads the image has the link, in memory.
    """

    writes = True
    _outputs_are_known_stale = False  # by this commit

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._file = _identity(path)
        except OSError as error:
            self.close()
            raise StorageError(f"cannot look at {path}: {reason_of(error)}") from error
        self._seen_bytes = 0
        self.holds_key: Callable[[str], bool] = lambda _: False

    def is_in_place(self) -> bool:
        """Say whether the file that is written is still the one at its path, whole.

        If the system cannot say, the answer is yes: SQLite will report the error.
        """
        try:
            if _identity(self.path) != self._file:
                return False
            size_bytes = self.path.stat().st_size
        except FileNotFoundError:
            return False
        except OSError:
            return True
        # SQLite makes a file smaller only on request, and batchgen never requests that.
        is_whole = size_bytes >= self._seen_bytes
        self._seen_bytes = max(self._seen_bytes, size_bytes)
        return is_whole

    def put_back(self) -> Path | None:
        """Write the ledger again if its file was deleted, replaced or cut.

        A deleted file keeps its content until this process closes the file. Another
        file at the path is not touched.

        Returns:
            Where the ledger was written; None if nothing had to be written.

        Raises:
            LedgerMissing: the folder is gone.
        """
        if self.is_in_place():
            return None
        place = self.path
        if not place.parent.is_dir():
            raise LedgerMissing(
                f"{place.parent} was moved or deleted while batchgen worked with it. "
                "Nothing more is sent. If it was moved, all that was bought is in it: "
                "move it back, or name its new place with --out, and run this again"
            )
        if place.exists():
            place = place.with_name(f"{place.name}.of-this-run")
        copy = place.with_name(f"{place.name}.new")
        copy.unlink(missing_ok=True)
        self.copy_to(copy)
        copy.replace(place)
        if place == self.path:
            self._file = _identity(place)
        return place

    def begin(self) -> None:
        """Begin a commit, to which the next steps belong."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise ours(error, self.path) from error
        self._outputs_are_known_stale = False

    def commit(self) -> None:
        """Write all steps since `begin` to the disk, or none of them."""
        with translated(self.path):
            try:
                self._connection.execute("COMMIT")
            except BaseException:
                self.rollback()
                raise

    def rollback(self) -> None:
        """Forget all steps since `begin`."""
        # After some errors SQLite rolls back by itself.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._outputs_are_known_stale = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all steps inside the block one commit, on disk at the block's end."""
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()

    def execute_many(self, name: str, values: Iterable[Values]) -> None:
        """Execute a named statement once for each of the values."""
        with translated(self.path):
            self._connection.executemany(queries()[name], values)

    def write_meta(self, name: str, value: Value) -> None:
        super().write_meta(name, value)
        self._outputs_are_known_stale = False

    def mark_outputs_stale(self) -> None:
        """Mark ZIP and tables as older than the ledger, once in a commit."""
        if not self._outputs_are_known_stale:
            self.execute("outputs_stale")
            self._outputs_are_known_stale = self._connection.in_transaction


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes a file from another of its name; None for no file."""
    try:
        state = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return state.st_dev, state.st_ino
