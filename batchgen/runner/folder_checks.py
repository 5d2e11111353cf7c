"""Refuse a run folder whose files do not fit its ledger, before anything is sent.

If the ledger is missing, older than the other files, or of another run, nothing else
says reliably what was paid for. A run would buy it again and overwrite the files.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import LedgerMissing, StorageError, ledger_remedy
from batchgen.ledger import Ledger
from batchgen.ledger.file_state import is_begun, is_emptied
from batchgen.ledger.soundness import problem_of_mode
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.kept_files import FOLDER as KEPT
from batchgen.output.table_formats import TABLE_COPIES

SANDBOX = "sandbox"
"""Folder in a rehearsal's run folder that has the state of the sandbox."""

RECOVERING = "run.db.recovering"
"""A new ledger that is not in its place yet: a recovery was interrupted."""

_OUTPUTS = (ARCHIVE, TABLE, PURCHASES)
_NAMES = (*_OUTPUTS, *TABLE_COPIES, "run.db", "run.log", "report.html", KEPT, SANDBOX)
"""How the names of the files begin that runs and reports write."""

_READ_BYTES = 1 << 20
"""How much of the log's end is read: the last purchase stands there [assumed]."""

_EVENT = re.compile(
    rb"^\S{1,40}Z info +(?:sent attempt|started purchases)=(\d{1,12})(?= |$)",
    re.MULTILINE,
)
"""An event that names the last purchase. The start of a run is one, too: with a new
ledger the numbers begin anew."""


def refuse_special_files(folder: Path) -> None:
    """Refuse a run folder with a link or a pipe in place of a file of the run.

    A link may lead to a file of somebody else, which would be overwritten. Opening a
    pipe may block without end.

    Raises:
        StorageError: there is one; the text says what to do.
    """
    try:
        modes = _file_modes(folder, _NAMES)
        if stat.S_ISDIR(modes.get(str(folder / SANDBOX), 0)):
            modes |= _file_modes(folder / SANDBOX)
    except OSError:
        return  # the next step opens the folder, and reports the error
    for path, mode in sorted(modes.items()):
        problem = problem_of_mode(mode)
        if problem is None or stat.S_ISDIR(mode):  # a folder is harmless
            continue
        raise StorageError(
            f"{path} is {problem}, and a run folder holds its own files: put the file "
            "itself there, or name another folder with --out. Nothing was sent or "
            "changed"
        )


def refuse_linked_folder(folder: Path) -> None:
    """Refuse a link in place of a folder of images that somebody may have put there.

    Raises:
        StorageError: it is one.
    """
    if folder.is_symlink():
        raise StorageError(
            f"{folder} is a symbolic link, and a run folder holds its own files: "
            "delete the link, or name the folder that you mean with --to. Nothing was "
            "written"
        )


def refuse_without_ledger(ledger: Path) -> None:
    """Refuse a folder that has outputs of a run, and no ledger.

    Args:
        ledger: Where the ledger should be.

    Raises:
        LedgerMissing: it has; the text says what to do.
    """
    folder = ledger.parent
    if is_begun(ledger):
        return
    # A run would overwrite anything with such a name, also an empty file or a link, but
    # not a folder.
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
            f"knows what was paid for: {ledger_remedy(folder)}"
        )


def refuse_foreign_archive(folder: Path, ledger: Ledger) -> None:
    """Refuse a ZIP beside a ledger without purchases.

    Raises:
        LedgerMissing: there is one; the text says what to do.
    """
    if _holds_something(folder / ARCHIVE) and not ledger.has_attempts():
        raise LedgerMissing(
            f"{folder / ARCHIVE} is not of this run, whose ledger (run.db) never "
            f"bought an image: {ledger_remedy(folder, moved=True)}"
        )


def refuse_older_than_log(ledger: Ledger, log: Path) -> None:
    """Refuse a ledger that lacks the last purchase of the log.

    Each purchase is in the ledger, on disk, before it is in the log. So such a ledger
    is an older copy, and accepted tasks that it lacks would be bought again.

    Raises:
        LedgerMissing: it lacks it; the text says what to do.
    """
    newest = ledger.newest_attempt()
    logged = _last_purchase(log)
    if logged > newest:
        raise LedgerMissing(
            f"{log} tells of purchase {logged}, and the ledger (run.db) knows "
            f"{newest or 'none'}: it is an older copy, or run.db-wal beside it was "
            f"lost, or {log.name} is another run's and does not belong there; "
            f"{ledger_remedy(log.parent, moved=True)}"
        )


def _file_modes(folder: Path, prefixes: tuple[str, ...] = ("",)) -> dict[str, int]:
    return {
        entry.path: entry.stat(follow_symlinks=False).st_mode
        for entry in os.scandir(folder)
        if entry.name.startswith(prefixes)
    }


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _holds_something(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError as error:
        # It may be a ZIP with images that were paid for.
        raise StorageError(f"cannot look at {path}: {reason_of(error)}") from error


def _last_purchase(log: Path) -> int:
    """Return the number of the last purchase in the log; 0 if there is none."""
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
