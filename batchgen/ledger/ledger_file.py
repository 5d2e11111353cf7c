"""Write the ledger's file: commits, and a check that the file is still there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import LedgerMissing, StorageError
from batchgen.ledger.database import queries
from batchgen.ledger.meta import Value
from batchgen.ledger.query_runner import Values
from batchgen.ledger.reader import Reader
from batchgen.ledger.sqlite_errors import ours, translated


class LedgerFile(Reader):
    """A ledger that one process writes, in commits.

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
