"""Put another archive in the place of the first, together with the ledger that fits it.

A rename and a commit are two steps, and a kill may come between them. So the ledger
takes the new offsets and, in the same commit, writes down that the new file is to take
the old one's place. Whoever opens the folder next carries that out, before anything is
read or written: until the commit the old pair stands, from then on the new one.
"""

from __future__ import annotations

from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import ArchiveDamaged, StorageError
from batchgen.output.whole import sync_folder

_SUFFIX = ".compacted"


def successor(archive: Path) -> Path:
    """Return where the file stands that is to take an archive's place."""
    return archive.with_name(archive.name + _SUFFIX)


def discard(archive: Path) -> None:
    """Remove a successor that was never finished."""
    try:
        successor(archive).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot remove {successor(archive)}: {reason_of(error)}"
        ) from error


def take_over(archive: Path, size_bytes: int) -> None:
    """Let the successor take the archive's place, on disk when this returns.

    It may be called again after a kill: what was done by then is left as it is.

    Args:
        archive: The archive.
        size_bytes: Size of the successor, by which it is known.

    Raises:
        ArchiveDamaged: neither of the two files is the one that the ledger describes.
        StorageError: the file system refuses it.
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
