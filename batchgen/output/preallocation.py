"""Room on the disk that belongs to a file before it is written.

Other programs cannot use it. If a disk becomes full while requests are in flight, their
images still fit. The file's length does not change.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from batchgen.drives import FULL
from batchgen.open_files import open_descriptor

_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE, linux/falloc.h; man 2 fallocate

Allocate = Callable[[int, int, int, int], int]


def hold_room(descriptor: int, offset: int, size_bytes: int) -> bool | None:
    """Hold room behind an offset of a file for later writes.

    Returns:
        Whether it is held; None if the system cannot do that, or not for this file.
    """
    allocate = _allocator()
    if allocate is None or size_bytes <= 0:
        return None if allocate is None else True
    import ctypes

    while allocate(descriptor, _KEEP_SIZE, offset, size_bytes):
        number = ctypes.get_errno()
        if number in FULL:
            return False
        if number != errno.EINTR:
            return None
    return True


def hold_room_in(
    path: Path, offset: int, size_bytes: int, *, make: bool = False
) -> bool | None:
    """Do the same with a new descriptor, so that another thread can write to the file.

    Args:
        path: The file.
        offset: Where the room begins.
        size_bytes: Of the room.
        make: Whether a missing file is created.
    """
    flags = os.O_RDWR | (os.O_CREAT if make else 0)
    try:
        descriptor = open_descriptor(path, flags)
    except OSError as error:
        return False if error.errno in FULL else None
    try:
        return hold_room(descriptor, offset, size_bytes)
    finally:
        os.close(descriptor)


def release_room_of(path: Path) -> None:
    """Release the room behind a file's end; no thread may write to the file then.

    Raises:
        OSError: it cannot be released.
    """
    descriptor = open_descriptor(path, os.O_RDWR)
    try:
        # Cut to its own length: only the room behind the end is released.
        os.ftruncate(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


@cache
def _allocator() -> Allocate | None:
    # Python's own `posix_fallocate` makes the file longer, and where the file system
    # cannot hold room it writes zeros instead.
    if sys.platform != "linux":
        return None
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    function = getattr(library, "fallocate64", None) or getattr(
        library, "fallocate", None
    )
    if function is None or ctypes.sizeof(ctypes.c_long) < 8:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    allocate: Allocate = function
    return allocate
