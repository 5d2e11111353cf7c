"""What is at a ledger's path: none, an empty file, a damaged or a whole ledger."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from enum import Enum, auto
from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import StorageError

_NOT_DAMAGED = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN),
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY),
    }
)
"""Errors with which SQLite may refuse a whole ledger."""


def is_emptied(path: Path) -> bool:
    """Say whether a ledger is empty or gone although its log has content.

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

    A damaged ledger counts as begun: opening it says what is wrong.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        try:
            if not path.stat().st_size:
                return False
        except (FileNotFoundError, NotADirectoryError):
            return False
        with closing(sqlite3.connect(address, uri=True)) as file:
            row = file.execute("SELECT 1 FROM meta WHERE name = 'source'").fetchone()
    except OSError as error:
        raise StorageError(f"cannot look at {path}: {reason_of(error)}") from error
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)
    except sqlite3.DatabaseError:
        return True
    return row is not None


class LedgerState(Enum):
    """What is at a ledger's path.

    MISSING: no file. EMPTY: a file without a run. DAMAGED: a file that SQLite cannot
    read, or no database. WHOLE: a ledger of any version.
    """

    MISSING = auto()
    EMPTY = auto()
    DAMAGED = auto()
    WHOLE = auto()


def state_of(path: Path) -> LedgerState:
    """Check a whole ledger, which takes seconds for a large one; change nothing."""
    if not path.exists():
        return LedgerState.MISSING
    if not is_begun(path):
        return LedgerState.EMPTY
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as file:
            row = file.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_DAMAGED
        return LedgerState.WHOLE if is_busy else LedgerState.DAMAGED
    return LedgerState.WHOLE if row == ("ok",) else LedgerState.DAMAGED
