"""Write images of the ZIP as files of their own; a file that is there stays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import takewhile
from pathlib import Path

from isal import isal_zlib

from batchgen.drives import FULL, reason_of
from batchgen.errors import DiskFull, StorageError
from batchgen.output.diskfile import DiskFile
from batchgen.output.member_copy import PIECE_BYTES
from batchgen.output.member_names import safe_base_name
from batchgen.output.walk import header_at

SCRATCH = ".unpacking.partial"
"""The file that is being written; it gets its name when it is whole."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image and the file that it is to have.

    Attributes:
        name: Of its member in the ZIP.
        path: Of the file.
        modified: When the image came, for the file's time; None if that is unknown.
    """

    name: str
    path: Path
    size_bytes: int
    sha256: str
    modified: datetime | None


class Presence(Enum):
    """What stands at the place of a file."""

    MISSING = "missing"
    SAME = "same"
    OTHER = "other"


def presence_of(file: ImageFile, folder: Path) -> Presence:
    """Say whether a file is there, and whether it is the image.

    A file of the right size and time is taken for it; of another time, it is read. What
    is behind a link within the folder is never the image: others may have put it there.
    """
    path = file.path
    if _is_behind_link(path, folder):
        return Presence.OTHER
    if not os.path.lexists(path):
        return Presence.MISSING
    if path.is_symlink() or not path.is_file():
        return Presence.OTHER
    state = path.stat()
    if state.st_size != file.size_bytes:
        return Presence.OTHER
    if file.modified is not None and state.st_mtime_ns == _nanos(file.modified):
        return Presence.SAME
    with path.open("rb") as content:
        is_same = hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    return Presence.SAME if is_same else Presence.OTHER


def _is_behind_link(path: Path, folder: Path) -> bool:
    within = takewhile(lambda parent: parent != folder, path.parents)
    return any(parent.is_symlink() for parent in within)


def folder_of_value(column: str, value: object) -> str:
    """Return a value of a column as the name of a folder, safe on every system."""
    text = "" if value is None else str(value).strip()
    if not text:
        text = f"no {column}"
    flat = text.replace("/", "_").replace("\\", "_")
    *folders, _ = safe_base_name(f"{flat}/file").split("/")
    return folders[0] if folders else "_"


class LooseFiles:
    """Writes images of one ZIP into one folder."""

    def __init__(self, archive: DiskFile, folder: Path) -> None:
        self._archive = archive
        self._scratch = folder / SCRATCH

    def write(self, file: ImageFile, place: int) -> str | None:
        """Write an image to its file, which is not there yet.

        Args:
            file: The image.
            place: Where its member begins in the ZIP.

        Returns:
            What is wrong with the image in the ZIP; None if nothing is.

        Raises:
            FileExistsError: the file has come to be there.
            DiskFull: the file system or the quota is full.
            StorageError: the file cannot be written.
        """
        header = header_at(self._archive, place)
        if header is None or header.tag is None or header.name != file.name:
            return "its header has changed"
        with _storage_errors(file.path):
            self._scratch.unlink(missing_ok=True)
            crc32 = self._copy(place + header.length, header.size_bytes)
            if crc32 != header.crc32:
                return "its bytes have changed (CRC)"
            if file.modified is not None:
                nanos = _nanos(file.modified)
                os.utime(self._scratch, ns=(nanos, nanos))
            file.path.parent.mkdir(parents=True, exist_ok=True)
            _put_in_place(self._scratch, file.path)
        return None

    def _copy(self, start: int, size_bytes: int) -> int:
        crc32, end = 0, start + size_bytes
        with self._scratch.open("xb") as target:
            for offset in range(start, end, PIECE_BYTES):
                piece = self._archive.read_at(offset, min(PIECE_BYTES, end - offset))
                crc32 = isal_zlib.crc32(piece, crc32)
                target.write(piece)
        return crc32

    def close(self) -> None:
        """Remove what is not whole."""
        with suppress(OSError):
            self._scratch.unlink(missing_ok=True)


def _put_in_place(scratch: Path, path: Path) -> None:
    """Give a file its name, unless another has it."""
    try:
        # A link never replaces a file, and a rename does.
        os.link(scratch, path)
    except FileExistsError:
        raise
    except OSError:  # some file systems have no links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        scratch.rename(path)
    else:
        scratch.unlink()


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        kind = DiskFull if error.errno in FULL else StorageError
        raise kind(
            f"cannot write {path}: {reason_of(error)}; what is written already stays, "
            "and the same command writes the rest"
        ) from error


def _nanos(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
