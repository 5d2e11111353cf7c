"""Open the SQLite file, and read the named queries."""

from __future__ import annotations

import re
import sqlite3
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from importlib.resources import files
from pathlib import Path

from batchgen.errors import (
    LedgerMismatch,
    LedgerMissing,
    StorageError,
    ledger_remedy,
)
from batchgen.ledger.file_state import is_emptied
from batchgen.ledger.soundness import (
    APPLICATION_ID,
    defend,
    refuse_changed,
    refuse_damaged,
    refuse_foreign,
    refuse_odd_file,
)
from batchgen.ledger.sqlite_errors import lock_refusal, not_local, translated

SCHEMA_VERSION = 9
_STATEMENTS = (
    *("queries.sql", "purchases.sql", "budgets.sql", "selection.sql", "checks.sql"),
    *("members.sql", "edits.sql", "rebuilding.sql"),
)


@cache
def queries() -> Mapping[str, str]:
    """Return all named statements."""
    folder = files("batchgen.ledger")
    text = "\n".join(folder.joinpath(name).read_text("utf-8") for name in _STATEMENTS)
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {
        name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open the ledger; create it if it is missing and is to be written.

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
            f"{ledger_remedy(path.parent)}"
        )
    if write and (refusal := lock_refusal(path.parent)) is not None:
        # SQLite would wait half a minute for another process to release the lock.
        raise not_local(path, refusal.strerror)
    with translated(path):
        connection = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            timeout=30.0,
        )
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

    Called after an error that damage could explain. None if no ledger was opened.

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
            f"this one reads up to {SCHEMA_VERSION}); upgrade batchgen"
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


def copy_ledger(source: Path, target: Path) -> None:
    """Copy a ledger of any version in its present state, also while it is written.

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
