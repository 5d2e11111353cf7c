"""Replace a file by a new one: completely or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchgen.drives import FULL, reason_of
from batchgen.errors import DiskFull, StorageError
from batchgen.file_size import file_size_message
from batchgen.open_files import open_descriptor, open_patiently
from batchgen.shortage import refuse_shortage

CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
"""Errors of file systems that have no sync: fsync(2)."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` once all of it is on disk.

    After an error the old file is unchanged and the new one is removed.

    Raises:
        DiskFull: the file system or the quota is full.
        StorageError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with _storage_errors(path):
            # A link of that name would lead to a file outside of the folder.
            partial.unlink(missing_ok=True)
            with open_patiently(lambda: partial.open("xb")) as file:
                yield file
                _sync_file(file)
            partial.replace(path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _sync_file(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put a rename on the disk, which needs a sync of its folder."""
    descriptor = open_descriptor(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems sync folders by themselves and refuse the call.
        if error.errno not in CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        refuse_shortage(error)
        if error.errno == errno.EFBIG:
            raise DiskFull(f"cannot write {path}: {file_size_message()}") from error
        if error.errno in FULL:
            raise DiskFull(
                f"no space left to write {path}; free some and run the same command"
                " again"
            ) from error
        raise StorageError(f"cannot write {path}: {reason_of(error)}") from error
