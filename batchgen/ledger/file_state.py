"""Look at a ledger's file that may be missing, empty, damaged or of any version."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from enum import Enum, auto
from pathlib import Path
from typing import Any

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

    SQLite would delete that log when it opens the file. A new ledger gets its first
    page before it gets a log.
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
    """Say whether a ledger exists and belongs to a SOURCE; nothing is changed.

    A damaged ledger counts, too: opening it raises an error that says what is wrong.
    """
    try:
        if not path.stat().st_size:
            return False
        row = _first_row(path, "SELECT 1 FROM meta WHERE name = 'source'")
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageError(f"cannot look at {path}: {reason_of(error)}") from error
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)
    except sqlite3.DatabaseError:
        return True
    return row is not None


def mode_in(path: Path) -> str | None:
    """Return the mode of a ledger file; None if that cannot be read.

    Unlike a `Reader` this takes ledgers of older and newer versions. For a table of an
    older batchgen, only the ledger knows whether its money is real.
    """
    if not path.is_file() or is_emptied(path):
        return None
    try:
        row = _first_row(path, "SELECT value FROM meta WHERE name = 'realm'")
    except sqlite3.Error:
        return None
    return row[0] if row and isinstance(row[0], str) else None


def _first_row(path: Path, statement: str) -> Any:
    """Return the first row of a statement on a file that is not changed."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as file:
        return file.execute(statement).fetchone()


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
    try:
        row = _first_row(path, "PRAGMA quick_check(1)")
    except sqlite3.DatabaseError as error:
        is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_DAMAGED
        return LedgerState.WHOLE if is_busy else LedgerState.DAMAGED
    return LedgerState.WHOLE if row == ("ok",) else LedgerState.DAMAGED
