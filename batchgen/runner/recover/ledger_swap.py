"""Put the new ledger in the place of the old one, which is kept under another name."""

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
    """Return the path where the new ledger is built."""
    return folder / RECOVERING


def clear_new(folder: Path) -> None:
    """Remove the new ledger of a recovery that was killed."""
    try:
        for suffix in ("", *_LOG_SUFFIXES):
            (folder / f"{RECOVERING}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise _cannot(folder, error) from error


def put_in_place(folder: Path, unreadable: Sequence[str]) -> list[str]:
    """Move the new ledger to its place; it is on disk when this returns.

    The files of the old ledger are renamed first: SQLite would read its log as a part
    of the new ledger.

    Args:
        folder: The run folder.
        unreadable: Tables that are renamed, too: the next run writes them anew.

    Returns:
        The new names of the renamed files.
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
