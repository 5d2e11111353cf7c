"""Local reference images: what they hold, and whether that is still so."""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from batchgen.drives import refuse_failed_drive
from batchgen.open_files import open_patiently
from batchgen.shortage import refuse_shortage

YOUNG_NS = 2_000_000_000
"""A file that was changed so shortly before may change again and not show it by its
time: file systems count in steps of up to two seconds (FAT)."""


class FileState(NamedTuple):
    """A local reference as it was read.

    Attributes:
        path: As the manifest names it.
        size_bytes: None where there was no file.
        changed_at: In nanoseconds since 1970; None where it cannot be gone by.
        sha256: Hexadecimal; None where there was no file.
    """

    path: str
    size_bytes: int | None = None
    changed_at: int | None = None
    sha256: str | None = None


class FileContents:
    """Digests of files below a folder, each computed once while it does not change."""

    _MOST = 10_000

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: OrderedDict[tuple[Path, int, int, int], str] = OrderedDict()
        self._read: dict[str, FileState] = {}

    def __call__(self, reference: str) -> str | None:
        """Return the hexadecimal SHA-256 of a file, None where it cannot be read.

        Raises:
            StorageError: its drive failed, which says nothing of the row.
        """
        path = self._folder / reference
        try:
            # Only regular files: reading a pipe or a device could last for ever.
            if not path.is_file():
                self._read[reference] = FileState(reference)
                return None
            state = path.stat()
            key = (path, state.st_mtime_ns, _changed_at(state), state.st_size)
            if key not in self._known:
                digest = self._known[key] = _digest(path)
                is_young = time.time_ns() - _changed_at(state) < YOUNG_NS
                self._read[reference] = FileState(
                    reference,
                    state.st_size,
                    None if is_young else _changed_at(state),
                    digest,
                )
                if len(self._known) > self._MOST:
                    self._known.popitem(last=False)
        except OSError as error:
            refuse_shortage(error)
            refuse_failed_drive(error, path)
            return None
        except ValueError:  # a NUL in the path
            return None
        return self._known[key]

    def leave(self, reference: str) -> None:
        """Take note of a file that was not read: it has changed while one is there.

        Whoever puts a refused one right need not change the manifest, too.
        """
        self._read[reference] = FileState(reference)

    def newly_read(self) -> list[FileState]:
        """Return the files that were read since this was last asked."""
        read, self._read = self._read, {}
        return list(read.values())


def are_unchanged(folder: Path, states: Iterable[FileState]) -> bool:
    """Say whether all files are as they were read; who looks the same is not read."""
    return all(_is_unchanged(folder / state.path, state) for state in states)


def _is_unchanged(path: Path, was: FileState) -> bool:
    try:
        if was.size_bytes is None:
            return not path.is_file()
        state = path.stat()
        if state.st_size != was.size_bytes:
            return False
        return _changed_at(state) == was.changed_at or _digest(path) == was.sha256
    except OSError as error:
        refuse_shortage(error)
        refuse_failed_drive(error, path)
        return False


def _changed_at(state: os.stat_result) -> int:
    # A copy may bring along the time of its content, but not that of its own change.
    return max(state.st_mtime_ns, state.st_ctime_ns)


def _digest(path: Path) -> str:
    with open_patiently(lambda: path.open("rb")) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
