"""Open the SQLite file, read the named queries, and translate SQLite's errors."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

from batchgen.errors import DiskFull, LedgerLocked, LedgerMismatch, StorageError
from batchgen.file_size import max_file_bytes, too_large_words
from batchgen.open_files import may_open, shortage_words

SCHEMA_VERSION = 8
_LOG_INDEX_BYTES = 1 << 15
"""By which SQLite's `-shm` file grows (sqlite.org/walformat.html, read 2026-11-30)."""
_WRITTEN_AT_ONCE = 1 << 17
"""More than SQLite writes in one call: pages of 64 KB at most, with their heads."""
_FILES_OF_ONE = 4
"""That SQLite opens for one connection: the file, its log, the log's index, and one
for sorting. It says of none that it could not be opened for want of files."""
_STATEMENTS = (
    *("queries.sql", "purchases.sql", "budgets.sql", "picked.sql", "checks.sql"),
    *("members.sql", "edits.sql"),
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
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if (lacking := _what_is_lacking(code, path)) is not None:
        return lacking
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerLocked(
            f"{path} is in use by another program; run it again when that ended"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StorageError(
            f"{path} is damaged or no ledger ({error}); restore it from a copy, or "
            "name another --out"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return StorageError(
            f"cannot write {path} ({error}); check the folder's permissions"
        )
    return StorageError(f"{path}: {error}")


def _what_is_lacking(code: int, path: Path) -> StorageError | None:
    """Return what the system has not left enough of; None where that is not the cause.

    For each of these SQLite has a code that says other things, too.
    """
    if code == sqlite3.SQLITE_IOERR and (grown := _grown_to_limit(path)) is not None:
        return DiskFull(f"cannot write {grown}: {too_large_words()}")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return DiskFull(f"the disk is full ({path}); free some space and run it again")
    if code == sqlite3.SQLITE_CANTOPEN and not may_open(_FILES_OF_ONE):
        return StorageError(shortage_words())
    return None


def _grown_to_limit(path: Path) -> Path | None:
    """Return a file of the ledger that may grow no further; None if there is none."""
    most = max_file_bytes()
    if most is None:
        return None
    for each in (path, path.with_name(f"{path.name}-wal")):
        try:
            if each.stat().st_size > most - _WRITTEN_AT_ONCE:
                return each
        except OSError:
            continue
    return None


def _is_full(path: Path) -> bool:
    """Say whether an I/O error is one of a full disk.

    SQLite says so by a code of its own only for some files: where the index of its log
    cannot grow, it tells of an I/O error.
    """
    try:
        return shutil.disk_usage(path.parent).free < _LOG_INDEX_BYTES
    except OSError:
        return False


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open the ledger; create it when it is to be written and not there.

    Raises:
        LedgerMismatch: it was written by a newer batchgen.
        StorageError: it cannot be opened, or is damaged.
    """
    with translated(path):
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=30.0
        )
        connection.row_factory = sqlite3.Row
        try:
            _prepare(connection, path, write=write)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, write: bool) -> None:
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


def _apply(connection: sqlite3.Connection, script: str, version: int) -> None:
    """Execute a script and stamp the ledger with its version, both or neither."""
    text = files("batchgen.ledger").joinpath(script).read_text("utf-8")
    stamp = f"PRAGMA user_version = {version}"
    connection.executescript(f"BEGIN IMMEDIATE; {text}; {stamp}; COMMIT;")


def is_begun(path: Path) -> bool:
    """Say whether a ledger is there and belongs to a SOURCE; nothing is changed.

    One that is damaged counts: whoever opens it is told what is wrong.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        if not path.stat().st_size:
            return False
        with closing(sqlite3.connect(address, uri=True)) as file:
            found = file.execute("SELECT 1 FROM meta WHERE name = 'source'").fetchone()
    except OSError:
        return False
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)
    except sqlite3.DatabaseError:
        return True
    return found is not None


def copy_ledger(source: Path, target: Path) -> None:
    """Copy a ledger as it stands now, of whatever version, also while it is written.

    Raises:
        StorageError: it cannot be read, or is damaged.
    """
    address = f"{source.resolve().as_uri()}?mode=ro"
    with (
        translated(source),
        closing(sqlite3.connect(address, uri=True)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)
