"""A run folder whose ledger is gone holds what was paid for, and nobody knows it.

The same command would buy all of it again and write over it. So such a folder is
refused before anything is sent, and nothing in it is touched.
"""

from __future__ import annotations

from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import LEDGER_WAY_OUT, LedgerMissing, StorageError
from batchgen.ledger import Ledger
from batchgen.ledger.database import is_begun
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
    outputs = [name for name in _OUTPUTS if _holds_something(folder / name)]
    if outputs and not is_begun(ledger):
        raise LedgerMissing(
            f"{folder} holds {' and '.join(outputs)}, but not the ledger (run.db) that "
            f"knows what was paid for: {LEDGER_WAY_OUT}"
        )


def refuse_foreign_archive(folder: Path, ledger: Ledger) -> None:
    """Refuse a ZIP beside a ledger that never bought anything.

    Raises:
        LedgerMissing: there is one; the text says how to go on.
    """
    if _holds_something(folder / ARCHIVE) and not ledger.has_attempts():
        raise LedgerMissing(
            f"{folder / ARCHIVE} is not of this run, whose ledger (run.db) never "
            f"bought an image: {LEDGER_WAY_OUT}"
        )


def _holds_something(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError as error:
        # What cannot be looked at may be what was paid for.
        raise StorageError(f"cannot look at {path}: {reason_of(error)}") from error
