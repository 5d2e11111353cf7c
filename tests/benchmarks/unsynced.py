"""batchgen without a single sync, to see what durability costs; nothing else differs.

`python -m tests.benchmarks.unsynced ARGUMENTS...` is `batchgen ARGUMENTS...`. What it
writes is lost when power is, so there is no such option.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from batchgen.cli import main
from batchgen.ledger import database

_prepare = database._prepare


def _prepare_unsynced(
    connection: sqlite3.Connection, path: Path, *, write: bool
) -> None:
    _prepare(connection, path, write=write)
    connection.execute("PRAGMA synchronous = OFF")


def _leave(descriptor: int) -> None:
    """Leave it to the system when it writes."""


if __name__ == "__main__":
    database._prepare = _prepare_unsynced
    os.fsync = os.fdatasync = _leave  # type: ignore[assignment]
    main()
