"""Rewrite the ZIP without images that no row has any more, completely or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import ArchiveDamaged, DiskFull
from batchgen.ledger import Compaction, KeptMember, Ledger
from batchgen.output import ARCHIVE
from batchgen.output.diskfile import DiskFile, Stream
from batchgen.output.member_copy import ExpectedMember, copy_member, damage_of
from batchgen.output.switch import discard, successor
from batchgen.output.walk import header_at
from batchgen.output.zip_directory import write_directory, write_metadata
from batchgen.runner.folder import RunFolder, finish_switch
from batchgen.storage.outputs import directory_entries, metadata_lines

ENTRY_BYTES = 2048
"""Disk space for an image's entries in `metadata.jsonl`, in the directory and in the
ledger, which writes it twice: to its log and to its file [assumed]."""

SPARE_BYTES = 16 * 1024 * 1024

ProgressCallback = Callable[[int, int], None]
"""Called repeatedly with the bytes done and the bytes in total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionResult:
    """What a compaction did.

    Attributes:
        freed_bytes: By how much the ZIP is smaller; 0 if it was not changed.
        images: How many are in the ZIP now.
        removed: How many images were removed.
        removed_superseded: How many of these were of rows or versions that are no
            longer in the manifest.
        is_plan_whole: Whether the manifest was read to its end: until then it is
            unknown which rows it no longer has, and their images stay.
    """

    freed_bytes: int = 0
    images: int = 0
    removed: int = 0
    removed_superseded: int = 0
    is_plan_whole: bool = True


def compact(folder: RunFolder, on_progress: ProgressCallback) -> CompactionResult:
    """Remove the unused bytes of a folder's ZIP; `recover` must have been called.

    A kill at any instant leaves the old ZIP with its ledger, or the new ZIP with its
    ledger; see `batchgen.output.switch`.

    Raises:
        ArchiveDamaged: an image that stays is damaged; nothing was changed.
        DiskFull: there is no room for a second ZIP; nothing was changed.
    """
    archive = folder.path / ARCHIVE
    if not folder.archive.is_begun:
        return CompactionResult()
    with _all_or_nothing(folder.ledger, archive), closing(DiskFile(archive)) as old:
        compaction = Compaction(folder.ledger)
        images, image_bytes, is_dense = _measure(old, compaction, folder.archive.end)
        if is_dense:
            return CompactionResult(
                images=images, is_plan_whole=compaction.is_plan_whole
            )
        _require_room(folder.path, image_bytes + images * ENTRY_BYTES)
        done = _write(folder, compaction, old, on_progress, 2 * image_bytes)
        folder.ledger.commit()
    folder.archive.close()
    finish_switch(folder.ledger, folder.path)
    return done


@contextmanager
def _all_or_nothing(ledger: Ledger, archive: Path) -> Iterator[None]:
    """Undo all changes unless the block succeeds."""
    discard(archive)
    ledger.begin()
    try:
        yield
    finally:
        ledger.rollback()  # does nothing after the commit
        # After the commit the ledger describes the new file, which must stay.
        if not ledger.meta.archive_switch:
            discard(archive)


def _measure(old: DiskFile, compaction: Compaction, end: int) -> tuple[int, int, bool]:
    """Return count and bytes of the images that stay, and whether these are all."""
    count = size_bytes = 0
    is_dense = True
    for member in compaction.members():
        count += 1
        header = header_at(old, member.place)
        if header is None:
            raise _damaged(old.path, member, "its header is missing")
        is_dense &= member.place == size_bytes
        size_bytes += header.length + member.size_bytes
    return count, size_bytes, is_dense and size_bytes == end


def _require_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    needed_bytes += SPARE_BYTES
    if free < needed_bytes:
        raise DiskFull(
            f"to write the ZIP anew {needed_bytes / 1e6:,.0f} MB must be free in "
            f"{folder}, and only {free / 1e6:,.0f} MB are; nothing was changed"
        )


def _write(
    folder: RunFolder,
    compaction: Compaction,
    old: DiskFile,
    on_progress: ProgressCallback,
    total: int,
) -> CompactionResult:
    """Write the new file, and describe it in the ledger's open transaction."""
    ledger = folder.ledger
    new = DiskFile(successor(old.path))
    new.open_to_write()
    try:
        stream = Stream(new, 0)
        images = 0
        for member in compaction.members():
            images += 1
            place, problem = copy_member(old, _expected(member), stream)
            if problem is not None:
                raise _damaged(old.path, member, problem)
            compaction.move(member, place)
            on_progress(stream.offset, total)
        stream.flush()
        end = stream.offset
        removed, removed_superseded = compaction.drop_others()
        directory_start = write_metadata(new, end, metadata_lines(ledger), None)
        write_directory(new, directory_start, directory_entries(ledger))
        _verify(new, compaction, lambda done: on_progress(end + done, total))
        size_bytes = new.size_bytes()
    finally:
        new.close()
    ledger.meta.archive_end = end
    ledger.meta.archive_switch = size_bytes
    return CompactionResult(
        freed_bytes=old.size_bytes() - size_bytes,
        images=images,
        removed=removed,
        removed_superseded=removed_superseded,
        is_plan_whole=compaction.is_plan_whole,
    )


def _verify(
    new: DiskFile, compaction: Compaction, on_progress: Callable[[int], None]
) -> None:
    """Read the new file back from the disk.

    Raises:
        ArchiveDamaged: it is not what was written.
    """
    new.settle()
    place = 0
    for member in compaction.members():
        problem = damage_of(new, _expected(member, place))
        if problem is not None:
            raise _damaged(new.path, member, problem)
        header = header_at(new, place)
        place += (header.length if header else 0) + member.size_bytes
        on_progress(place)


def _expected(member: KeptMember, place: int | None = None) -> ExpectedMember:
    return ExpectedMember(
        member.name,
        member.place if place is None else place,
        member.size_bytes,
        member.crc32,
    )


def _damaged(path: Path, member: KeptMember, problem: str) -> ArchiveDamaged:
    return ArchiveDamaged(
        f"{path}: {member.name} is damaged ({problem}), so nothing was changed; "
        "`batchgen report RUN --verify` finds all that is, and says what to do"
    )
