"""One file that is only appended to or cut; every OSError becomes a StorageError."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from batchgen.drives import FULL, reason_of
from batchgen.errors import DiskFull, StorageError
from batchgen.file_size import file_size_message
from batchgen.open_files import open_descriptor
from batchgen.output.preallocation import hold_room, hold_room_in, release_room_of
from batchgen.output.whole import CANNOT_SYNC, sync_folder
from batchgen.shortage import refuse_shortage

# Linux and macOS take at most 1,024 buffers and just under 2 GiB in one call.
MAX_BUFFERS = 1024
MAX_CALL_BYTES = 1 << 30
WRITTEN_AT_ONCE = 1 << 20
"""From 4 MB on, Linux copies the bytes at a half to a quarter of the speed: it looks
for large pages to hold them (6.18 with ext4)."""
_STREAM_BYTES = 1 << 20


class DiskFile:
    """A file that is opened when first needed, and not used again after a failure.

    After a failed write or sync the content on disk is unknown. Only a new process,
    which reads the file first, may go on.

    Attributes:
        held_to: Offset up to which room on the disk belongs to the file; 0 for none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._writable = False
        self._dirty = False
        self._failed = False
        self.held_to = 0

    def hold_room(self, offset: int, end: int) -> bool | None:
        """Hold room up to an offset for later writes; see `preallocation`.

        Unlike the other methods this may be called while another thread writes, because
        it uses a descriptor of its own. A missing file is created.

        Returns:
            Whether it is held; None if the system cannot do that.
        """
        held_before = self.held_to
        # Set before the system call, so that `cut` in another thread holds room again.
        self.held_to = max(held_before, end)
        is_held = hold_room_in(self.path, offset, end - offset, make=True)
        if not is_held:
            self.held_to = held_before
        return is_held

    def release_room(self) -> None:
        """Release the room behind the file's end, also after a failed write."""
        self.held_to = 0
        with self._translated_errors("give back room of"):
            if self.path.exists():
                release_room_of(self.path)

    def size_bytes(self) -> int:
        """Return the size; -1 if there is no file."""
        with self._translated("look at"):
            try:
                return self.path.stat().st_size
            except FileNotFoundError:
                return -1

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        """Return the bytes at an offset, fewer if the file ends before."""
        with self._translated("read"):
            if self._descriptor is None:
                self._descriptor = open_descriptor(self.path, os.O_RDONLY)
            pieces = []
            while size_bytes:
                piece = os.pread(
                    self._descriptor, min(size_bytes, MAX_CALL_BYTES), offset
                )
                if not piece:
                    break
                pieces.append(piece)
                offset += len(piece)
                size_bytes -= len(piece)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def settle(self) -> None:
        """Sync and drop bytes that an earlier process left in the system's memory.

        Later reads then show what a power loss would leave. Otherwise, after a failed
        sync, the system may show bytes that never reached the disk.
        """
        self.read_at(0, 1)
        with self._translated("sync"):
            self._sync_now()
            sync_folder(self.path.parent)
            if sys.platform == "linux" and self._descriptor is not None:
                os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def open_to_write(self) -> None:
        """Open or create the file; the folder's entry of a new one is synced."""
        if self._writable:
            return
        is_new = self.size_bytes() <= 0
        with self._translated("open"):
            descriptor = open_descriptor(self.path, os.O_RDWR | os.O_CREAT)
            self.close()
            self._descriptor, self._writable = descriptor, True
            if is_new:
                sync_folder(self.path.parent)

    def write_at(self, buffers: Iterable[bytes], offset: int) -> None:
        """Write the buffers one after the other, in as few calls as possible."""
        pending = deque(memoryview(buffer) for buffer in buffers if buffer)
        with self._translated("write"):
            self._dirty = True
            while pending:
                written = os.pwritev(self._opened(), _one_call(pending), offset)
                if not written:
                    raise OSError(errno.EIO, "the system took no byte")
                offset += written
                _drop(pending, written)

    def cut(self, size_bytes: int) -> None:
        """Cut the file for good, so that a power loss cannot bring the rest back."""
        with self._translated("cut"):
            os.ftruncate(self._opened(), size_bytes)
            if self.held_to > size_bytes:
                hold_room(self._opened(), size_bytes, self.held_to - size_bytes)
            self._sync_now()

    def sync(self) -> None:
        """Sync what was written since the last time; never tried twice."""
        with self._translated("sync"):
            if self._dirty:
                self._sync_now()
                self._dirty = False

    def is_empty(self) -> bool:
        """Say whether the file exists and is empty."""
        with self._translated_errors("look at"):
            return self.path.exists() and self.path.stat().st_size == 0

    def remove(self) -> None:
        """Remove the file."""
        self.close()
        with self._translated_errors("remove"):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; it opens again when it is needed."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._writable = None, False

    def _opened(self) -> int:
        if self._descriptor is None or not self._writable:
            raise OSError(errno.EBADF, "not opened to write")
        return self._descriptor

    def _sync_now(self) -> None:
        if self._descriptor is not None:
            _sync(self._descriptor)

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        if self._failed:
            raise StorageError(
                f"{self.path} is not used any more, because writing it failed; "
                "run the same command again"
            )
        try:
            with self._translated_errors(verb):
                yield
        except StorageError:
            self._failed = True
            raise

    @contextmanager
    def _translated_errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            refuse_shortage(error)
            if error.errno == errno.EFBIG:
                raise DiskFull(
                    f"cannot {verb} {self.path}: {file_size_message()}"
                ) from error
            if error.errno in FULL:
                raise DiskFull(
                    f"cannot {verb} {self.path}: {error.strerror}; "
                    "free some space and run the same command again"
                ) from error
            text = f"cannot {verb} {self.path}: {reason_of(error)}"
            raise StorageError(text) from error


class Stream:
    """Writes many small pieces to a file as few large ones."""

    def __init__(self, file: DiskFile, offset: int) -> None:
        self._file = file
        self._flushed_to = offset
        self._pieces: list[bytes] = []
        self._held = 0

    @property
    def offset(self) -> int:
        """Offset of the next piece."""
        return self._flushed_to + self._held

    def write(self, piece: bytes) -> None:
        """Add a piece; it may stay in memory until `flush`."""
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held >= _STREAM_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the pieces that are in memory."""
        # Joined: a million separate buffers would take a call for each 1,024.
        self._file.write_at([b"".join(self._pieces)], self._flushed_to)
        self._flushed_to += self._held
        self._pieces, self._held = [], 0


def _one_call(pending: deque[memoryview]) -> list[memoryview]:
    batch = []
    room = WRITTEN_AT_ONCE
    for view in islice(pending, MAX_BUFFERS):
        batch.append(view[:room])
        room -= len(batch[-1])
        if not room:
            break
    return batch


def _drop(pending: deque[memoryview], written: int) -> None:
    while written:
        view = pending.popleft()
        if written < len(view):
            pending.appendleft(view[written:])
            return
        written -= len(view)


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        # Plain fsync leaves the bytes in the drive's own memory there.
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in CANNOT_SYNC:
                raise
            os.fsync(descriptor)
    else:
        os.fdatasync(descriptor)
