"""What kind of run a ledger belongs to, whichever batchgen wrote the ledger."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from batchgen.ledger.database import queries
from batchgen.ledger.file_state import is_emptied

REHEARSAL = "rehearsal"
"""The kind of run against the built-in sandbox; all others cost real money."""


def mode_in(path: Path) -> str | None:
    """Return the mode of a ledger file; None where that cannot be read.

    Unlike a `Reader` this takes ledgers of older and newer versions. For a table of an
    older batchgen, only the ledger knows whether its money is real.
    """
    if not path.is_file() or is_emptied(path):
        return None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with closing(connection):
            row = connection.execute(queries()["meta_get"], ("realm",)).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row and isinstance(row[0], str) else None
