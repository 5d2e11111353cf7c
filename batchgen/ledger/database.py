"""Open the SQLite file, read the named queries, and translate SQLite's errors."""

from __future__ import annotations

import fcntl
import re
import shutil
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from enum import Enum, auto
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from batchgen.drives import FULL, reason_of
from batchgen.errors import (
    DiskFull,
    LedgerLocked,
    LedgerMismatch,
    LedgerMissing,
    StorageError,
    ledger_way_out,
)
from batchgen.file_size import max_file_bytes, too_large_words
from batchgen.ledger.soundness import (
    APPLICATION_ID,
    defend,
    refuse_changed,
    refuse_damaged,
    refuse_foreign,
    refuse_odd_file,
)
from batchgen.open_files import may_open, shortage_words

SCHEMA_VERSION = 8
_LOG_INDEX_BYTES = 1 << 15
"""By which SQLite's `-shm` file grows (sqlite.org/walformat.html, read 2026-11-30)."""
_NOT_LOCAL = frozenset(
    {
        *(sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK),
        *(sqlite3.SQLITE_IOERR_UNLOCK, sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK),
        *(sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE),
        *(sqlite3.SQLITE_IOERR_SHMLOCK, sqlite3.SQLITE_IOERR_SHMMAP),
    }
)
"""Errors of the calls that network drives often lack (sqlite.org/wal.html, "Use of WAL
Without Shared-Memory", read 2026-12-01)."""
_NOT_DAMAGED = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN),
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY),
    }
)
"""Why SQLite may refuse a ledger that is whole."""

_WRITTEN_AT_ONCE = 1 << 17
"""More than SQLite writes in one call: pages of 64 KB at most, with their heads."""
_FILES_OF_ONE = 4
"""That SQLite opens for one connection: the file, its log, the log's index, and one
for sorting. It says of none that it could not be opened for want of files."""
_STATEMENTS = (
    *("queries.sql", "purchases.sql", "budgets.sql", "picked.sql", "checks.sql"),
    *("members.sql", "edits.sql", "rebuilding.sql"),
)


@cache
def queries() -> Mapping[str, str]:
    """Return all named statements."""
    folder = files("batchgen.ledger")
    text = "\n".join(folder.joinpath(it).read_text("utf-8") for it in _STATEMENTS)
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {
        name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours; the text says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise ours(error, path) from error


def ours(error: sqlite3.Error, path: Path) -> StorageError:
    """Return an error of SQLite's in our words."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if (lacking := _what_is_lacking(code, path)) is not None:
        return lacking
    if extended in _NOT_LOCAL or code == sqlite3.SQLITE_PROTOCOL:
        return _not_local(path, error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        # SQLite takes a file system without locks for another program that holds one.
        if (refusal := _lock_refusal(path.parent)) is not None:
            return _not_local(path, refusal.strerror)
        return LedgerLocked(
            f"{path} is in use by another program; run it again when that ended"
        )
    return StorageError(_message_of(code, error, path))


def _message_of(code: int, error: sqlite3.Error, path: Path) -> str:
    match code:
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return (
                f"{path} is damaged or no ledger ({error}); restore it from a copy, or "
                "name another --out"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN:
            verb = "open" if code == sqlite3.SQLITE_CANTOPEN else "write"
            return (
                f"cannot {verb} {path} ({error}); check the folder's permissions, and "
                "that its drive is mounted"
            )
        case sqlite3.SQLITE_IOERR:
            return (
                f"cannot use {path} ({error}): the drive or its connection failed; see "
                "that it is mounted and works, then run the same command again"
            )
        case _:
            return f"{path}: {error}"


def _not_local(path: Path, reason: object) -> StorageError:
    return StorageError(
        f"the file system of {path} lacks locks or shared memory, which the ledger "
        f"needs ({reason}), as many network drives do: name a folder on a local disk "
        "with --out; a folder that holds a run already can be moved there"
    )


def _what_is_lacking(code: int, path: Path) -> StorageError | None:
    """Return what the system has not left enough of; None where that is not the cause.

    For each of these SQLite has a code that says other things, too.
    """
    if code == sqlite3.SQLITE_IOERR and (grown := _grown_to_limit(path)) is not None:
        return DiskFull(f"cannot write {grown}: {too_large_words()}")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return DiskFull(
            f"the disk is full ({path}), or a quota; free some space and run the same "
            "command again"
        )
    if code == sqlite3.SQLITE_CANTOPEN and not may_open(_FILES_OF_ONE):
        return StorageError(shortage_words())
    return None


def _grown_to_limit(path: Path) -> Path | None:
    """Return a file of the ledger that may grow no further; None if there is none."""
    max_bytes = max_file_bytes()
    if max_bytes is None:
        return None
    for each in (path, path.with_name(f"{path.name}-wal")):
        try:
            if each.stat().st_size > max_bytes - _WRITTEN_AT_ONCE:
                return each
        except OSError:
            continue
    return None


def _is_full(path: Path) -> bool:
    """Say whether an I/O error is one of a full disk.

    SQLite says so by a code of its own only for some files: where the index of its log
    cannot grow, or a quota is reached, it tells of an I/O error.
    """
    try:
        if shutil.disk_usage(path.parent).free < _LOG_INDEX_BYTES:
            return True
        with TemporaryFile(dir=path.parent, buffering=0) as file:
            file.write(bytes(_LOG_INDEX_BYTES))
    except OSError as error:
        return error.errno in FULL
    return False


def _lock_refusal(folder: Path) -> OSError | None:
    """Try a lock as SQLite takes them; return why the file system refuses it.

    On a file of its own: whoever closes another descriptor of a ledger gives up the
    locks that SQLite holds there.
    """
    with suppress(OSError), TemporaryFile(dir=folder) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error
    return None  # where no file can be made, whoever opens the ledger is told


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open the ledger; create it when it is to be written and not there.

    Raises:
        LedgerMismatch: it was written by a newer batchgen.
        LedgerMissing: it is empty, and its log is not.
        StorageError: it cannot be opened, or is damaged.
    """
    refuse_odd_file(path)
    for suffix in ("-wal", "-shm", "-journal"):
        refuse_odd_file(path.with_name(f"{path.name}{suffix}"))
    if is_emptied(path):
        raise LedgerMissing(
            f"{path} is empty or gone, and {path.name}-wal beside it is not: "
            f"{ledger_way_out(path.parent)}"
        )
    if write and (refusal := _lock_refusal(path.parent)) is not None:
        # SQLite would wait half a minute for who holds the lock.
        raise _not_local(path, refusal.strerror)
    with translated(path):
        connection = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            timeout=30.0,
            factory=_Connection,
        )
        connection.path = path
        try:
            _prepare(connection, path, write=write)
        except BaseException:
            connection.close()
            raise
        connection.row_factory = sqlite3.Row
    _opened.append(path)
    return connection


_opened: deque[Path] = deque(maxlen=4)


def check_last_opened() -> Path | None:
    """Check the ledger that was opened last, whatever its size, and return its path.

    For when something in it made no sense: None where no ledger was opened.

    Raises:
        StorageError: it is damaged.
    """
    for path in reversed(_opened):
        if path.is_file():
            check_whole(path)
            return path
    return None


def check_whole(path: Path) -> None:
    """Check a ledger, whatever its size.

    Raises:
        StorageError: it is damaged, or holds a value that batchgen never writes.
    """
    with translated(path), closing(sqlite3.connect(path)) as connection:
        defend(connection)
        refuse_damaged(connection, path)


class _Connection(sqlite3.Connection):
    """A connection whose cursors tell in our words of a page that is broken."""

    path: Path

    def cursor(self, factory: Any = None) -> Any:
        cursor = super().cursor(factory or _Cursor)
        cursor.row_factory = self.row_factory
        return cursor

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        # Python's own makes a cursor of its own kind, whatever `cursor` returns.
        cursor: sqlite3.Cursor = self.cursor().execute(statement, values)
        return cursor


class _Cursor(sqlite3.Cursor):
    """Rows are read as they are asked for, long after the statement was executed."""

    def __next__(self) -> Any:
        # As `translated` does, which costs four times the reading of a row.
        try:
            return super().__next__()
        except sqlite3.Error as error:
            raise ours(error, self._path) from error

    def fetchone(self) -> Any:
        with translated(self._path):
            return super().fetchone()

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        with translated(self._path):
            return super().fetchmany(size)

    def fetchall(self) -> list[Any]:
        with translated(self._path):
            return super().fetchall()

    @property
    def _path(self) -> Path:
        connection: Any = self.connection
        path: Path = connection.path
        return path


def _prepare(connection: sqlite3.Connection, path: Path, *, write: bool) -> None:
    defend(connection)
    refuse_foreign(connection, path)
    if not write:
        connection.execute("PRAGMA query_only = 1")
    else:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL, not NORMAL: in WAL mode NORMAL may roll back the last commits after a
        # power loss, and a lost task id is an image paid for and never fetched.
        # Source: https://www.sqlite.org/pragma.html#pragma_synchronous
        connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -32000")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise LedgerMismatch(
            f"{path} was written by a newer batchgen (ledger version {version}, "
            f"this one knows {SCHEMA_VERSION}); upgrade batchgen"
        )
    if version == 0 and write:
        _apply(connection, "schema.sql", SCHEMA_VERSION)
    elif version == 0:
        raise StorageError(f"{path} holds no run yet")
    elif version < SCHEMA_VERSION and not write:
        raise LedgerMismatch(
            f"{path} was written by an older batchgen; the next `run` or `report` on "
            "it brings it up to date"
        )
    else:
        for newer in range(version + 1, SCHEMA_VERSION + 1):
            _apply(connection, f"migrations/{newer}.sql", newer)
    refuse_changed(connection, path)


def _apply(connection: sqlite3.Connection, script: str, version: int) -> None:
    """Execute a script and stamp the ledger with its version, both or neither."""
    text = files("batchgen.ledger").joinpath(script).read_text("utf-8")
    stamp = f"PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION_ID}"
    connection.executescript(f"BEGIN IMMEDIATE; {text}; {stamp}; COMMIT;")


def is_emptied(path: Path) -> bool:
    """Say whether a log stands beside a ledger that is empty or gone.

    SQLite would delete that log when it opens the file. A new ledger has its first page
    before it has a log.
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        if not log.stat().st_size:
            return False
        return not path.stat().st_size
    except FileNotFoundError:
        return not path.exists() and log.exists()
    except OSError:
        return False


def is_begun(path: Path) -> bool:
    """Say whether a ledger is there and belongs to a SOURCE; nothing is changed.

    One that is damaged counts: whoever opens it is told what is wrong.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        try:
            if not path.stat().st_size:
                return False
        except (FileNotFoundError, NotADirectoryError):
            return False
        with closing(sqlite3.connect(address, uri=True)) as file:
            found = file.execute("SELECT 1 FROM meta WHERE name = 'source'").fetchone()
    except OSError as error:
        raise StorageError(f"cannot look at {path}: {reason_of(error)}") from error
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)
    except sqlite3.DatabaseError:
        return True
    return found is not None


class LedgerState(Enum):
    """What stands where a ledger should be.

    MISSING: no file. EMPTY: a file in which no run was begun. DAMAGED: a file that
    SQLite cannot read, or no database. WHOLE: a ledger, of whatever version.
    """

    MISSING = auto()
    EMPTY = auto()
    DAMAGED = auto()
    WHOLE = auto()


def state_of(path: Path) -> LedgerState:
    """Look at a ledger as a whole, which takes seconds for a large one."""
    if not path.exists():
        return LedgerState.MISSING
    if not is_begun(path):
        return LedgerState.EMPTY
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as file:
            found = file.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_DAMAGED
        return LedgerState.WHOLE if is_busy else LedgerState.DAMAGED
    return LedgerState.WHOLE if found == ("ok",) else LedgerState.DAMAGED


def copy_ledger(source: Path, target: Path) -> None:
    """Copy a ledger as it stands now, of whatever version, also while it is written.

    Raises:
        StorageError: it cannot be read, or is damaged.
    """
    refuse_odd_file(source)
    _opened.append(source)
    address = f"{source.resolve().as_uri()}?mode=ro"
    with (
        translated(source),
        closing(sqlite3.connect(address, uri=True)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)
