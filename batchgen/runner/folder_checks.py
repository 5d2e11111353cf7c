"""A run folder whose ledger is gone holds what was paid for, and nobody knows it.

The same command would buy all of it again and write over it. So such a folder is
refused before anything is sent, and nothing in it is touched.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import LedgerMissing, StorageError, ledger_way_out
from batchgen.ledger import Ledger
from batchgen.ledger.file_state import is_begun, is_emptied
from batchgen.ledger.soundness import problem_of_mode
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.kept_files import FOLDER as KEPT

SANDBOX = "sandbox"
"""Folder of a rehearsal in which the sandbox keeps its state."""

RECOVERING = "run.db.recovering"
"""A new ledger that is not in its place yet: a recovery was cut short."""

_OUTPUTS = (ARCHIVE, TABLE, PURCHASES)
_NAMES = (*_OUTPUTS, "run.db", "run.log", "report.html", KEPT, SANDBOX)
"""How the names of the files begin that runs and reports write."""

_READ_BYTES = 1 << 20
"""Of the log's end: an event for each purchase stands there [assumed]."""

_EVENT = re.compile(
    rb"^\S{1,40}Z info +(?:sent attempt|started purchases)=(\d{1,12})(?= |$)",
    re.MULTILINE,
)
"""Where a run began, its ledger was perhaps a new one: then numbers begin anew."""


def refuse_odd_files(folder: Path) -> None:
    """Refuse a run folder in which a link or a pipe stands for a file of the run.

    A link leads to a file that is not the run's, and it would be written over; a pipe
    is waited for without end.

    Raises:
        StorageError: there is one; the text says how to go on.
    """
    try:
        leftovers = [
            each for each in os.scandir(folder) if each.name.startswith(_NAMES)
        ]
        modes = {
            each.path: each.stat(follow_symlinks=False).st_mode for each in leftovers
        }
        if stat.S_ISDIR(modes.get(str(folder / SANDBOX), 0)):
            inner = os.scandir(folder / SANDBOX)
            modes |= {
                each.path: each.stat(follow_symlinks=False).st_mode for each in inner
            }
    except OSError:
        return  # whoever opens it says what is wrong
    for path, mode in sorted(modes.items()):
        problem = problem_of_mode(mode)
        if problem is None or stat.S_ISDIR(mode):  # nobody is led astray by these
            continue
        raise StorageError(
            f"{path} is {problem}, and a run folder holds its own files: put the file "
            "itself there, or name another folder with --out. Nothing was sent or "
            "changed"
        )


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
    # A folder is none of it: no file takes its place.
    names = [
        name
        for name in (*_OUTPUTS, RECOVERING)
        if os.path.lexists(folder / name) and not _is_folder(folder / name)
    ]
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


def refuse_older_than_log(ledger: Ledger, log: Path) -> None:
    """Refuse a ledger that lacks the last purchase of the log.

    Raises:
        LedgerMissing: it does; the text says how to go on.
    """
    newest = ledger.newest_attempt()
    logged = _last_purchase(log)
    if logged > newest:
        raise LedgerMissing(
            f"{log} tells of purchase {logged}, and the ledger (run.db) knows "
            f"{newest or 'none'}: it is an older copy, or run.db-wal beside it was "
            f"lost, or {log.name} is another run's and does not belong there; "
            f"{ledger_way_out(log.parent, moved=True)}"
        )


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _holds_something(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError as error:
        # What cannot be looked at may be what was paid for.
        raise StorageError(f"cannot look at {path}: {reason_of(error)}") from error


def _last_purchase(log: Path) -> int:
    """Return the number of the last purchase that the log tells of; 0 for none."""
    try:
        if not stat.S_ISREG(log.lstat().st_mode):
            return 0
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _READ_BYTES))
            end = file.read(_READ_BYTES)
    except OSError:
        return 0
    numbers = _EVENT.findall(end)
    return int(numbers[-1]) if numbers else 0
