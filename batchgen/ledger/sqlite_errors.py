"""Turn SQLite's errors into batchgen's, whose messages name the remedy."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from batchgen.drives import FULL
from batchgen.errors import DiskFull, LedgerLocked, StorageError
from batchgen.file_size import file_size_message, max_file_bytes
from batchgen.open_files import may_open, shortage_message

_LOG_INDEX_BYTES = 1 << 15
"""SQLite's `-shm` file grows by this (sqlite.org/walformat.html, read 2026-11-30)."""
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
_WRITTEN_AT_ONCE = 1 << 17
"""More than SQLite writes in one call: pages of 64 KB at most, with their heads."""
_FILES_OF_ONE = 4
"""How many files SQLite opens for one connection: the file, its log, the log's index,
and one for sorting. Its errors do not say that no more files can be opened."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into batchgen's."""
    try:
        yield
    except sqlite3.Error as error:
        raise ours(error, path) from error


def ours(error: sqlite3.Error, path: Path) -> StorageError:
    """Return batchgen's error for one of SQLite's."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if (shortage := _shortage(code, path)) is not None:
        return shortage
    if extended in _NOT_LOCAL or code == sqlite3.SQLITE_PROTOCOL:
        return not_local(path, error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        # To SQLite a file system without locks looks like another program with a lock.
        if (refusal := lock_refusal(path.parent)) is not None:
            return not_local(path, refusal.strerror)
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


def not_local(path: Path, reason: object) -> StorageError:
    """Return the error where a file system cannot hold a ledger."""
    return StorageError(
        f"the file system of {path} lacks locks or shared memory, which the ledger "
        f"needs ({reason}), as many network drives do: name a folder on a local disk "
        "with --out; a folder that holds a run already can be moved there"
    )


def _shortage(code: int, path: Path) -> StorageError | None:
    """Return an error if disk space, file size or open files have run out, else None.

    SQLite's code for each of these has other causes, too.
    """
    if code == sqlite3.SQLITE_IOERR and (grown := _grown_to_limit(path)) is not None:
        return DiskFull(f"cannot write {grown}: {file_size_message()}")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return DiskFull(
            f"the disk is full ({path}), or a quota; free some space and run the same "
            "command again"
        )
    if code == sqlite3.SQLITE_CANTOPEN and not may_open(_FILES_OF_ONE):
        return StorageError(shortage_message())
    return None


def _grown_to_limit(path: Path) -> Path | None:
    """Return a file of the ledger that may grow no further; None if there is none."""
    max_bytes = max_file_bytes()
    if max_bytes is None:
        return None
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            if file.stat().st_size > max_bytes - _WRITTEN_AT_ONCE:
                return file
        except OSError:
            continue
    return None


def _is_full(path: Path) -> bool:
    """Say whether an I/O error is one of a full disk.

    SQLite has a code for a full disk, but uses that only for some files. Where the
    index of its log cannot grow, or a quota is reached, SQLite reports an I/O error.
    """
    try:
        if shutil.disk_usage(path.parent).free < _LOG_INDEX_BYTES:
            return True
        with TemporaryFile(dir=path.parent, buffering=0) as file:
            file.write(bytes(_LOG_INDEX_BYTES))
    except OSError as error:
        return error.errno in FULL
    return False


def lock_refusal(folder: Path) -> OSError | None:
    """Try a lock as SQLite takes them; return why the file system refuses it.

    The lock is tried on a separate file: closing another descriptor of the ledger would
    give up the locks that SQLite holds there.
    """
    with suppress(OSError), TemporaryFile(dir=folder) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error
    return None  # where no file can be made, opening the ledger says so
