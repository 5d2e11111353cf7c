"""Replace what is left of the old ledger, which is kept, by the new one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from batchgen.errors import StorageError
from batchgen.output.whole import sync_folder
from batchgen.runner.folder import LEDGER
from batchgen.runner.folder_checks import RECOVERING

_LOG_SUFFIXES = ("-wal", "-shm", "-journal")


def new_ledger(folder: Path) -> Path:
    """Return where the new ledger is built."""
    return folder / RECOVERING


def clear_new(folder: Path) -> None:
    """Remove what a recovery left that was killed."""
    try:
        for suffix in ("", *_LOG_SUFFIXES):
            (folder / f"{RECOVERING}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise _cannot(folder, error) from error


def put_in_place(folder: Path, unreadable: Sequence[str]) -> list[str]:
    """Make the new ledger the folder's, on disk when this returns.

    What stands in the way is moved aside first: SQLite would take an old log for a part
    of the new ledger.

    Args:
        folder: The run folder.
        unreadable: Tables that are moved aside, too: the next run writes them anew.

    Returns:
        The new names of what was moved.
    """
    try:
        moved = _move_aside(folder, unreadable)
        new = folder / RECOVERING
        for suffix in _LOG_SUFFIXES:
            if (folder / f"{RECOVERING}{suffix}").exists():
                raise StorageError(f"{new} is not whole; run this again")
        with new.open("rb") as file:
            os.fsync(file.fileno())
        sync_folder(folder)
        new.replace(folder / LEDGER)
        sync_folder(folder)
    except OSError as error:
        raise _cannot(folder, error) from error
    return moved


def _move_aside(folder: Path, unreadable: Sequence[str]) -> list[str]:
    number = 1
    while any(folder.glob(f"*.lost-{number}*")):
        number += 1
    names = {
        f"{LEDGER}{suffix}": f"{LEDGER}.lost-{number}{suffix}"
        for suffix in ("", *_LOG_SUFFIXES)
    }
    names |= {name: f"{name}.lost-{number}" for name in unreadable}
    moved = []
    for name, new_name in names.items():
        if (folder / name).exists():
            (folder / name).rename(folder / new_name)
            moved.append(new_name)
    return moved


def _cannot(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write in {folder}: {error.strerror or error}. When that is mended, "
        "run this again"
    )
