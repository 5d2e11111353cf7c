"""Find the run folders below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from batchgen.output import ARCHIVE, PURCHASES
from batchgen.runner.folder import LEDGER, LOG

MAX_DEPTH = 6
"""Folders within folders that are searched."""

_MARKS = frozenset({LEDGER, ARCHIVE, PURCHASES})
"""A folder with one of these is one, even if its ledger is lost."""


def run_folders(below: Path) -> Iterator[Path]:
    """Yield the run folders at or below a folder, in the order of their names.

    Links are not followed, and folders whose name begins with a dot are left out.

    Raises:
        OSError: the folder itself cannot be read.
    """
    yield from _search(below, MAX_DEPTH)


def _search(folder: Path, depth: int) -> Iterator[Path]:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    if _MARKS & {entry.name for entry in entries if not entry.is_dir()}:
        yield folder
        return
    for entry in entries if depth else ():
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _search_below(folder / entry.name, depth - 1)


def _search_below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        yield from _search(folder, depth)
    except OSError:
        return  # somebody else's folder, or one that has just been deleted


def last_change(folder: Path) -> float:
    """Return when a run last wrote something, in seconds since 1970.

    Raises:
        OSError: nothing can be looked at.
    """
    for name in (LOG, LEDGER):
        if (folder / name).exists():
            return (folder / name).stat().st_mtime
    return folder.stat().st_mtime
