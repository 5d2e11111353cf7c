"""Digests of local reference images, and whether a file has changed since."""

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

MIN_AGE_NS = 2_000_000_000
"""A file that was changed more recently could change again without another timestamp:
file systems count in steps of up to two seconds (FAT)."""


class FileState(NamedTuple):
    """A local reference at the time when it was read.

    Attributes:
        path: As the manifest names it.
        size_bytes: None if there was no file.
        changed_at: In nanoseconds since 1970; None if it is too recent to be reliable.
        sha256: Hexadecimal; None if there was no file.
    """

    path: str
    size_bytes: int | None = None
    changed_at: int | None = None
    sha256: str | None = None


class FileContents:
    """Computes the digest of each file in a folder once, until the file changes."""

    _MAX_ENTRIES = 10_000

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests: OrderedDict[tuple[Path, int, int, int], str] = OrderedDict()
        self._read: dict[str, FileState] = {}

    def __call__(self, reference: str) -> str | None:
        """Return the hexadecimal SHA-256 of a file, None if it cannot be read.

        Raises:
            StorageError: the drive failed, so the row is not at fault.
        """
        path = self._folder / reference
        try:
            # Only regular files: reading a pipe or a device could take for ever.
            if not path.is_file():
                self._read[reference] = FileState(reference)
                return None
            state = path.stat()
            key = (path, state.st_mtime_ns, _changed_at(state), state.st_size)
            if key not in self._digests:
                digest = self._digests[key] = _digest(path)
                is_recent = time.time_ns() - _changed_at(state) < MIN_AGE_NS
                self._read[reference] = FileState(
                    reference,
                    state.st_size,
                    None if is_recent else _changed_at(state),
                    digest,
                )
                if len(self._digests) > self._MAX_ENTRIES:
                    self._digests.popitem(last=False)
        except OSError as error:
            refuse_shortage(error)
            refuse_failed_drive(error, path)
            return None
        except ValueError:  # a NUL in the path
            return None
        return self._digests[key]

    def record_unread(self, reference: str) -> None:
        """Record a refused file as absent, so that the next run checks it again.

        The user can then correct the file without changing the manifest.
        """
        self._read[reference] = FileState(reference)

    def newly_read(self) -> list[FileState]:
        """Return the files that were read since the last call."""
        read, self._read = self._read, {}
        return list(read.values())


def are_unchanged(folder: Path, states: Iterable[FileState]) -> bool:
    """Tell whether all files are unchanged; one with the same time is not read."""
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
    # A copied file may keep the old mtime, but never the old ctime.
    return max(state.st_mtime_ns, state.st_ctime_ns)


def _digest(path: Path) -> str:
    with open_patiently(lambda: path.open("rb")) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
