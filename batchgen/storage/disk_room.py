"""Room on the disk for the images of sent requests, held before more is sent.

An image must find room when it arrives, whatever other programs have written meanwhile.
So the archive and the ledger's log hold room beforehand, where the system can do that.
Elsewhere a margin stays free, as for all other files of the run.
"""

from __future__ import annotations

import shutil
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio

from batchgen.drives import reason_of
from batchgen.errors import DiskFull, StorageError
from batchgen.file_size import file_size_message, max_file_bytes
from batchgen.output.archive import Archive
from batchgen.output.preallocation import hold_room_in

if TYPE_CHECKING:
    from batchgen.wire.offload import Offload

SPARE_BYTES = 64 * 1024 * 1024
"""Left for the tables, the log and whatever else the run writes [assumed]."""

LOG_BYTES = 4 * 1024 * 1024
LOG_BYTES_EACH = 64 * 1024
MAX_LOG_BYTES = 32 * 1024 * 1024
"""Of the ledger's log: its checkpoints begin at 4 MB, and each attempt in flight writes
some pages of 4 KB at each of its last steps [assumed]."""

MAX_HELD_BYTES = 1 << 30
"""How much is held for images at most; beyond that a margin must be free. A file system
in memory would use up its memory for what is held."""

SPARE_DIRECTORY_BYTES = 1 << 20
DIRECTORY_SHARE = 16
"""What the ZIP's directory takes at its end, as far as that is known: a share of what
stands before it [assumed]."""

GROWTH = 1.5
"""How much is held for each byte that is needed, where plenty is free."""


class DiskRoomState(Enum):
    """Whether one more request may leave, as far as the disk is concerned."""

    HELD = auto()
    MISSING_ROOM = auto()  # `hold` may get the room
    FULL = auto()


class _Room(NamedTuple):
    """What the disk has at one moment, in bytes.

    Attributes:
        needed: How much must be free: a margin, and room for images that is not held.
        held: For images, in the archive.
        for_images: What is still to be held there.
        for_log: What is still to be held for the ledger's log.
        log_size: Of the log as it stands.
    """

    free: int
    needed: int
    held: int
    for_images: int
    for_log: int
    log_size: int


class DiskRoom:
    """Room in the archive and in the ledger's log; used by the event loop alone."""

    def __init__(self, folder: Path, archive: Archive, log: Path, offload: Offload):
        """Hold nothing yet.

        Args:
            folder: The run folder.
            archive: Where images will be stored.
            log: The file to which the ledger writes first.
            offload: Where the file system is asked.
        """
        self._folder = folder
        self._archive = archive
        self._log = log
        self._log_held_to = 0
        self._offload = offload
        self._max_file_bytes = max_file_bytes()
        self._can_hold = True
        self._refused_at = -1  # free bytes when the file system last refused to hold
        self._turn = anyio.Lock()

    def look(self, images: int, image_bytes: int) -> DiskRoomState:
        """Say whether there is room for images of a size; nothing is awaited."""
        room = self._measure(images, image_bytes)
        if room.free < room.needed or self._too_large(images, image_bytes) is not None:
            return DiskRoomState.FULL
        if not self._can_hold or not room.for_images + room.for_log:
            return DiskRoomState.HELD
        return (
            DiskRoomState.FULL
            if room.free <= self._refused_at
            else DiskRoomState.MISSING_ROOM
        )

    async def hold(self, images: int, image_bytes: int) -> None:
        """Hold the missing room, or learn that this fails; `look` then says which."""
        async with self._turn:
            room = self._measure(images, image_bytes)
            # More than is missing, so that not every image asks for room again; but not
            # all free space, which must stay above the margin.
            missing = room.for_images + room.for_log
            extra = max(0, room.free - SPARE_BYTES - missing) // 4
            total_bytes = min(images * image_bytes, MAX_HELD_BYTES)
            more = min(int((GROWTH - 1) * total_bytes), extra)
            archive_bytes = room.held + room.for_images + more
            log_start = max(self._log_held_to, room.log_size)
            log_end = log_start + room.for_log + min(LOG_BYTES, extra)

            def hold_both() -> tuple[bool | None, bool | None]:
                size = room.log_size
                return (
                    not room.for_images or self._archive.hold(archive_bytes),
                    not room.for_log or hold_room_in(self._log, size, log_end - size),
                )

            are_held = await self._offload(hold_both)
            if room.for_log and are_held[1]:
                self._log_held_to = log_end
            if None in are_held:
                self._can_hold = False
            if False in are_held:
                self._refused_at = room.free

    def explain(self, images: int, image_bytes: int) -> DiskFull:
        """Return why no request may leave, and what helps."""
        if (path := self._too_large(images, image_bytes)) is not None:
            return DiskFull(
                f"no room for the next image in {path}: {file_size_message()}"
            )
        room = self._measure(images, image_bytes)
        free, needed = room.free >> 20, -(-room.needed >> 20)
        if room.free >= room.needed:
            return DiskFull(
                f"the file system of {self._folder} gives no room to store the next "
                f"image, though {free} MB are free: a quota may be used up. Free "
                "some space, or ask for a larger quota, and run the same command again"
            )
        return DiskFull(
            f"only {free} MB are free in {self._folder}, {needed} MB are "
            "needed to store the next image safely; free some space and run the same "
            "command again"
        )

    def _measure(self, images: int, image_bytes: int) -> _Room:
        """Look at the disk once, for images of a size.

        Raises:
            StorageError: the system cannot say: the drive is gone.
        """
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise StorageError(
                f"cannot look at {self._folder}: {reason_of(error)}"
            ) from error
        held = max(0, self._archive.file.held_to - self._archive.end)
        log_size = self._log_size()
        total_bytes = images * image_bytes
        for_images = max(0, min(total_bytes, MAX_HELD_BYTES) - held)
        for_log = max(0, _max_log_bytes(images) - (self._log_held_to - log_size))
        # Held room counts as free, except for a part of the margin: other files of the
        # run need space that is really free.
        needed = SPARE_BYTES + total_bytes - held
        if self._can_hold:
            needed = max(needed, SPARE_BYTES // 2 + for_images + for_log)
        return _Room(free, needed, held, for_images, for_log, log_size)

    def _too_large(self, images: int, image_bytes: int) -> Path | None:
        """Return a file that images would make larger than the system allows, if any.

        The end of the ZIP and the ledger's log are counted, and the tables not: they
        are smaller than the ZIP.
        """
        max_bytes, end = self._max_file_bytes, self._archive.end
        if max_bytes is None:
            return None
        directory = SPARE_DIRECTORY_BYTES + end // DIRECTORY_SHARE
        if end + images * image_bytes + directory > max_bytes:
            return self._archive.path
        ledger = self._log.with_name(self._log.name.removesuffix("-wal"))
        ledger_bytes = ledger.stat().st_size + _max_log_bytes(images)
        return ledger if ledger_bytes > max_bytes else None

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise StorageError(
                f"cannot look at {self._log}: {reason_of(error)}"
            ) from error


def _max_log_bytes(images: int) -> int:
    """Return how large the ledger's log may grow while images are under way."""
    return min(LOG_BYTES + images * LOG_BYTES_EACH, MAX_LOG_BYTES)
