"""A run folder whose ledger is gone holds what was paid for, and nobody knows it.

The same command would buy all of it again and write over it. So such a folder is
refused before anything is sent, and nothing in it is touched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import LedgerMissing, StorageError, ledger_way_out
from batchgen.ledger import Ledger
from batchgen.ledger.database import is_begun, is_emptied
from batchgen.output import ARCHIVE, PURCHASES, TABLE

_OUTPUTS = (ARCHIVE, TABLE, PURCHASES)


def refuse_without_ledger(ledger: Path) -> None:
    """Refuse a folder that holds outputs of a run, and no ledger.

    Args:
        ledger: Where it should be.

    Raises:
        LedgerMissing: it does; the text says how to go on.
    """
    folder = ledger.parent
    if is_begun(ledger):
        return
    # Whatever has such a name would be written over, also an empty file or a link.
    names = [name for name in _OUTPUTS if os.path.lexists(folder / name)]
    if is_emptied(ledger):
        names.append(f"{ledger.name}-wal")
    if names:
        raise LedgerMissing(
            f"{folder} holds {_listed(names)}, but not the ledger (run.db) that "
            f"knows what was paid for: {ledger_way_out(folder)}"
        )


def refuse_foreign_archive(folder: Path, ledger: Ledger) -> None:
    """Refuse a ZIP beside a ledger that never bought anything.

    Raises:
        LedgerMissing: there is one; the text says how to go on.
    """
    if _holds_something(folder / ARCHIVE) and not ledger.has_attempts():
        raise LedgerMissing(
            f"{folder / ARCHIVE} is not of this run, whose ledger (run.db) never "
            f"bought an image: {ledger_way_out(folder, moved=True)}"
        )


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _holds_something(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError as error:
        # What cannot be looked at may be what was paid for.
        raise StorageError(f"cannot look at {path}: {reason_of(error)}") from error
