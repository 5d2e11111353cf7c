"""Replace the archive together with the ledger that describes it.

A rename and a commit are two steps, and a kill may come between them. So one commit
stores the new offsets, and that the new file is to replace the old one. The process
that opens the folder next does the rename before it reads or writes anything. Until
that commit the old file and the old offsets hold, afterwards the new ones.
"""

from __future__ import annotations

from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import ArchiveDamaged, StorageError
from batchgen.output.whole import sync_folder

_SUFFIX = ".compacted"


def successor(archive: Path) -> Path:
    """Return the path of the file that will replace an archive."""
    return archive.with_name(archive.name + _SUFFIX)


def discard(archive: Path) -> None:
    """Remove an unfinished successor."""
    try:
        successor(archive).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot remove {successor(archive)}: {reason_of(error)}"
        ) from error


def take_over(archive: Path, size_bytes: int) -> None:
    """Put the successor in the archive's place, on disk when this returns.

    It can be called again after a kill, and then completes the work.

    Args:
        archive: The archive.
        size_bytes: Size of the successor, which identifies it.

    Raises:
        ArchiveDamaged: neither of the two files is the one that the ledger describes.
        StorageError: the file system refuses the rename.
    """
    new = successor(archive)
    try:
        if _size(new) == size_bytes:
            new.replace(archive)
        elif _size(archive) != size_bytes:
            raise ArchiveDamaged(
                f"the ledger describes a compacted ZIP of {size_bytes} bytes, which is "
                f"neither {new} nor {archive}; put it back where it was"
            )
        sync_folder(archive.parent)
    except OSError as error:
        raise StorageError(
            f"cannot put {new} in the place of {archive}: {reason_of(error)}"
        ) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
