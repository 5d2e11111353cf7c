"""The ZIP of images: append-only, each byte written once, whole again after a kill.

A member's header contains all that the ledger needs to adopt it, so members that were
written after the ledger's last commit are found by walking on from there. Bytes before
the end of the last whole member are never written again; bytes behind it (a directory,
a torn member) are cut when the next member or directory is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from isal import isal_zlib

from batchgen.errors import ArchiveDamaged, StorageError
from batchgen.output.diskfile import DiskFile
from batchgen.output.tag import Tag
from batchgen.output.walk import UncommittedMember, header_at, image_at, whole_members
from batchgen.output.zip_directory import METADATA, write_directory, write_metadata
from batchgen.output.zipformat import (
    END,
    END_SIGNATURE,
    DirectoryEntry,
    Member,
    local_header,
)

__all__ = [
    "METADATA",
    "Archive",
    "DirectoryEntry",
    "Member",
    "NewImage",
    "Tag",
    "UncommittedMember",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """An image that is to be stored under a name that no listed member has."""

    name: str
    data: bytes
    tag: Tag


class Archive:
    """Append members to one ZIP; used by one thread at a time.

    After any failed write or sync every method raises StorageError: only the next
    process can find out what is on disk.

    Attributes:
        end: Offset behind the last whole member; the ledger commits it.
        file: The ZIP itself. Room behind `end` may be held for later members.
    """

    def __init__(self, path: Path, committed: int) -> None:
        """Look at the file, which is neither created nor opened yet.

        Args:
            path: Of the ZIP, which may not exist yet.
            committed: The ledger's last `end`; 0 for a new archive.

        Raises:
            ArchiveDamaged: the file is missing or shorter than `committed`.
        """
        self.file = DiskFile(path)
        self.end = committed
        self._is_walked = False
        self._is_ours = False  # whether `open` may have created it
        self._check_length()

    @property
    def path(self) -> Path:
        """Of the ZIP, which may not exist yet."""
        return self.file.path

    @property
    def is_begun(self) -> bool:
        """Whether anything was written, even if no member is whole."""
        return self.file.size_bytes() > 0

    def hold(self, size_bytes: int) -> bool | None:
        """Hold room for later members; another thread may append at the same time.

        Returns:
            Whether it is held; None if the system cannot do that.
        """
        return self.file.hold_room(self.end, self.end + size_bytes)

    def release(self) -> None:
        """Release the held room, and remove the file if nothing was written."""
        self.file.release_room()
        if self.end == 0 and self.file.is_empty():
            self.file.remove()

    @property
    def has_directory(self) -> bool:
        """Whether the file is a finished ZIP, so that `finish` is not necessary.

        The entries of the directory are not checked.
        """
        size = self.file.size_bytes()
        if size < self.end + END.size:
            return False
        return self.file.read_at(size - END.size, END.size)[:4] == END_SIGNATURE

    def open(self) -> None:
        """Open the file now, so that appending cannot fail for want of a descriptor.

        A new file is created; `close` removes it if nothing was written.

        Raises:
            StorageError: it cannot be opened.
        """
        self._is_ours = True
        self.file.open_to_write()

    def recover(self) -> list[UncommittedMember]:
        """Return the whole members behind `end`, in order, and move `end` there.

        They survive a power loss once this returns. The file is not changed. A member
        becomes dead bytes if the ledger has stored its attempt already or does not know
        it.

        Raises:
            ArchiveDamaged: another program's ZIP is at the path of a new archive.
        """
        self._is_walked = True
        size = self.file.size_bytes()
        if size <= self.end:
            return []
        self.file.settle()
        members = []
        for member, end in whole_members(self.file, self.end, size):
            members.append(member)
            self.end = end
        if self.end == 0:
            self._refuse_foreign()
        return members

    def read(self, offset: int) -> bytes:
        """Return the data of the member whose local header is at `offset`.

        Raises:
            ArchiveDamaged: there is no whole member.
        """
        data = image_at(self.file, offset)
        if data is None:
            raise ArchiveDamaged(
                f"{self.file.path} holds no whole image at byte {offset}"
            )
        return data

    def append(self, items: Iterable[NewImage]) -> list[Member]:
        """Write the images behind the last member; they are safe after `sync`.

        Raises:
            DiskFull: a new process can go on when some space is free.
            StorageError: the file cannot be written.
        """
        self._walk_once()
        members: list[Member] = []
        buffers: list[bytes] = []
        offset = self.end
        for item in items:
            size, crc32 = len(item.data), isal_zlib.crc32(item.data)
            member = Member(item.name, offset, size, crc32, item.tag.modified)
            header = local_header(member, item.tag)
            offset += len(header) + size
            members.append(member)
            buffers += (header, item.data)
        if members:
            self._open_at_end()
            self.file.write_at(buffers, self.end)
            self.end = offset
        return members

    def sync(self) -> None:
        """Wait until all appended members are on disk.

        Raises:
            StorageError: the sync failed; a second success would prove nothing.
        """
        self.file.sync()

    def finish(
        self,
        entries: Iterable[DirectoryEntry],
        metadata: Iterable[bytes],
        modified: datetime | None = None,
    ) -> None:
        """Write `metadata.jsonl` and the directory: now the file is a ZIP, on disk.

        Members that are not among the entries stay as dead bytes. Both iterables are
        read once, metadata first, and never held as a whole.

        Args:
            entries: In the order in which the directory lists them.
            metadata: Lines of JSON, with or without their line break.
            modified: Time of `metadata.jsonl`, aware; None for 1980.

        Raises:
            ArchiveDamaged: an entry lies behind the last member.
            StorageError: the file cannot be written; DiskFull as for `append`.
        """
        self._walk_once()
        self._open_at_end()
        member = write_metadata(self.file, self.end, metadata, modified)
        write_directory(self.file, member, entries)

    def close(self) -> None:
        """Close the file without writing, and release the held room."""
        with suppress(StorageError):  # the next process releases it
            is_empty = self._is_ours and self.file.size_bytes() == 0
            if self.file.held_to or is_empty:
                self.release()
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _walk_once(self) -> None:
        # Nothing may be cut before all whole members of the file are known.
        if not self._is_walked:
            self.recover()

    def _open_at_end(self) -> None:
        size = self._check_length()
        self.file.open_to_write()
        if size > self.end:
            self.file.cut(self.end)

    def _check_length(self) -> int:
        size = self.file.size_bytes()
        if max(size, 0) < self.end:
            state = "is missing" if size < 0 else f"has only {size} bytes"
            raise ArchiveDamaged(
                f"{self.file.path} {state}, but the ledger knows of images in its "
                f"first {self.end} bytes; put the whole file back where it was"
            )
        return size

    def _refuse_foreign(self) -> None:
        header = header_at(self.file, 0)
        if header is not None and not header.is_ours:
            raise ArchiveDamaged(
                f"{self.file.path} was written by another program; "
                "move it away, or choose another output folder"
            )
