"""Room on the disk for the images of sent requests, held before more is sent.

An image must find room when it arrives, whatever other programs have written meanwhile.
So the archive and the ledger's log hold room beforehand, where the system can do that.
Elsewhere a margin stays free, as for all other files of the run.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

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
        self._can_hold = True
        self._refused_at = -1  # free bytes when the file system last refused to hold
        self._turn = anyio.Lock()

    def look(self, images: int, image_bytes: int) -> DiskRoomState:
        """Say whether there is room for images of a size; nothing is awaited."""
        free = self._free()
        if free < self._needed(images, image_bytes):
            return DiskRoomState.FULL
        if self._too_large(images, image_bytes) is not None:
            return DiskRoomState.FULL
        missing = self._missing(images, images * image_bytes)
        if not self._can_hold or not sum(missing):
            return DiskRoomState.HELD
        return (
            DiskRoomState.FULL
            if free <= self._refused_at
            else DiskRoomState.MISSING_ROOM
        )

    async def hold(self, images: int, image_bytes: int) -> None:
        """Hold the missing room, or learn that this fails; `look` then says which."""
        async with self._turn:
            for_images, for_log = self._missing(images, images * image_bytes)
            free = self._free()
            # More than is missing, so that not every image asks for room again; but not
            # all free space, which must stay above the margin.
            extra = max(0, free - SPARE_BYTES - for_images - for_log) // 4
            if for_images:
                total_bytes = min(images * image_bytes, MAX_HELD_BYTES)
                more = int((GROWTH - 1) * total_bytes)
                await self._hold_images(for_images + min(more, extra), free)
            if for_log:
                await self._hold_log(for_log + min(LOG_BYTES, extra), free)

    def explain(self, images: int, image_bytes: int) -> DiskFull:
        """Return why no request may leave, and what helps."""
        if (path := self._too_large(images, image_bytes)) is not None:
            return DiskFull(
                f"no room for the next image in {path}: {file_size_message()}"
            )
        free = self._free()
        needed_bytes = self._needed(images, image_bytes)
        needed = -(-needed_bytes >> 20)
        if free >= needed_bytes:
            return DiskFull(
                f"the file system of {self._folder} gives no room to store the next "
                f"image, though {free >> 20} MB are free: a quota may be used up. Free "
                "some space, or ask for a larger quota, and run the same command again"
            )
        return DiskFull(
            f"only {free >> 20} MB are free in {self._folder}, {needed} MB are "
            "needed to store the next image safely; free some space and run the same "
            "command again"
        )

    def _needed(self, images: int, image_bytes: int) -> int:
        """Return how much must be free: a margin, and room for images that is not held.

        Held room counts as free, except for a part of the margin: other files of the
        run need space that is really free.
        """
        total_bytes = images * image_bytes
        margin = SPARE_BYTES + total_bytes - self._archive.held_bytes
        if not self._can_hold:
            return margin
        return max(margin, SPARE_BYTES // 2 + sum(self._missing(images, total_bytes)))

    def _too_large(self, images: int, image_bytes: int) -> Path | None:
        """Return a file that images would make larger than the system allows, if any.

        The end of the ZIP and the ledger's log are counted, and the tables not: they
        are smaller than the ZIP.
        """
        max_bytes = max_file_bytes()
        if max_bytes is None:
            return None
        end = self._archive.end
        directory = SPARE_DIRECTORY_BYTES + end // DIRECTORY_SHARE
        if end + images * image_bytes + directory > max_bytes:
            return self._archive.path
        in_log = min(LOG_BYTES + images * LOG_BYTES_EACH, MAX_LOG_BYTES)
        ledger = self._log.with_name(self._log.name.removesuffix("-wal"))
        return ledger if ledger.stat().st_size + in_log > max_bytes else None

    def _missing(self, images: int, total_bytes: int) -> tuple[int, int]:
        """Return how much is still to be held for the archive and for the log."""
        in_archive = min(total_bytes, MAX_HELD_BYTES) - self._archive.held_bytes
        in_log = min(LOG_BYTES + images * LOG_BYTES_EACH, MAX_LOG_BYTES)
        return max(0, in_archive), max(0, in_log - self._log_ahead())

    def _free(self) -> int:
        """Return how many bytes are free.

        Raises:
            StorageError: the system cannot say: the drive is gone.
        """
        try:
            return shutil.disk_usage(self._folder).free
        except OSError as error:
            raise StorageError(
                f"cannot look at {self._folder}: {reason_of(error)}"
            ) from error

    def _log_ahead(self) -> int:
        return self._log_held_to - self._log_size()

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise StorageError(
                f"cannot look at {self._log}: {reason_of(error)}"
            ) from error

    async def _hold_images(self, more: int, free: int) -> None:
        total_bytes = self._archive.held_bytes + more
        await self._try_to_hold(lambda: self._archive.hold(total_bytes), free)

    async def _hold_log(self, more: int, free: int) -> None:
        size = self._log_size()
        start = max(self._log_held_to, size)
        if await self._try_to_hold(
            lambda: hold_room_in(self._log, size, start + more - size), free
        ):
            self._log_held_to = start + more

    async def _try_to_hold(self, hold: Callable[[], bool | None], free: int) -> bool:
        is_held = await self._offload(hold)
        if is_held is None:
            self._can_hold = False
        elif not is_held:
            self._refused_at = free
        return is_held is True
