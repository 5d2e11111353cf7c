"""Unpack the images of a run into loose files, also while the run goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.addresses.characters import visible_line
from batchgen.errors import ArchiveDamaged, DiskFull
from batchgen.ledger import Reader
from batchgen.ledger.lookup import place_of
from batchgen.manifest.wording import shown
from batchgen.output import ARCHIVE
from batchgen.output.diskfile import DiskFile
from batchgen.output.loose_files import (
    ImageFile,
    LooseFiles,
    Presence,
    folder_of_value,
    presence_of,
)
from batchgen.output.member_names import leads_out
from batchgen.output.table_selection import Selection
from batchgen.report.table_columns import check_columns
from batchgen.runner.folder import hold_folder

LISTED = 1000
"""How many files are listed that could not be written."""

_SPARE_BYTES = 64 * 1024 * 1024
"""What must stay free on the disk: a run may work on it."""


@dataclass(slots=True, kw_only=True)
class Unpacked:
    """What was unpacked.

    Attributes:
        folder: Where the images are now.
        images: Written by this call.
        size_bytes: Of these images.
        images_there: Images that were there already.
        other_files: The first files that have the name of an image and are not that
            image; they stay. `other_files_count` counts all.
        damaged: The first images that the ZIP does not hold as they were stored, with
            the reason; `damaged_count` counts all.
    """

    folder: Path
    images: int = 0
    size_bytes: int = 0
    images_there: int = 0
    other_files: list[Path] = field(default_factory=list)
    other_files_count: int = 0
    damaged: list[str] = field(default_factory=list)
    damaged_count: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every image is there now."""
        return not self.other_files_count and not self.damaged_count

    def add_other_file(self, path: Path) -> None:
        """Add a file that is not the image."""
        self.other_files_count += 1
        if len(self.other_files) < LISTED:
            self.other_files.append(path)

    def add_damaged(self, name: str, problem: str) -> None:
        """Add an image that is not as it was stored."""
        self.damaged_count += 1
        if len(self.damaged) < LISTED:
            self.damaged.append(f"{visible_line(name)}: {problem}")


def unpack(ledger: Reader, target: Path, selection: Selection) -> Unpacked:
    """Write the chosen images into a folder; those that are there stay as they are.

    Args:
        ledger: Of the run; it may be written meanwhile.
        target: The folder; it is made if it is missing.
        selection: Which images.

    Raises:
        SpecError: there is no such column, or the condition is none.
        DiskFull: there is not enough room; nothing was written.
        LedgerLocked: another command unpacks into the folder.
        StorageError: a file cannot be read or written.
    """
    check_columns(selection)
    archive = DiskFile(ledger.path.parent / ARCHIVE)
    target.mkdir(parents=True, exist_ok=True)
    unpacked = Unpacked(folder=target)
    files = LooseFiles(archive, target)
    with hold_folder(target), closing(archive), closing(files):
        _check_room(selection, target, archive)
        for file in _image_files(selection, target):
            _unpack_file(ledger, files, file, unpacked)
    return unpacked


def _unpack_file(
    ledger: Reader, files: LooseFiles, file: ImageFile, unpacked: Unpacked
) -> None:
    if leads_out(file.name):
        unpacked.add_damaged(file.name, "its name leads out of the folder")
        return
    match presence_of(file, unpacked.folder):
        case Presence.SAME:
            unpacked.images_there += 1
        case Presence.OTHER:
            unpacked.add_other_file(file.path)
        case Presence.MISSING:
            _write(ledger, files, file, unpacked)


def _write(
    ledger: Reader, files: LooseFiles, file: ImageFile, unpacked: Unpacked
) -> None:
    place = place_of(ledger, file.name)
    if place is None:
        unpacked.add_damaged(file.name, "the ledger does not have it")
        return
    try:
        problem = files.write(file, place)
    except FileExistsError:
        unpacked.add_other_file(file.path)
        return
    if problem is not None:
        unpacked.add_damaged(file.name, problem)
        return
    unpacked.images += 1
    unpacked.size_bytes += file.size_bytes


def _check_room(selection: Selection, target: Path, archive: DiskFile) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        ArchiveDamaged: images are missing, and the ZIP is, too.
        DiskFull: there is not enough room.
    """
    needed = sum(
        file.size_bytes
        for file in _image_files(selection, target)
        if presence_of(file, target) is Presence.MISSING
    )
    if needed and archive.size_bytes() < 0:
        raise ArchiveDamaged(f"{archive.path} is missing: restore it from a copy")
    free = shutil.disk_usage(target).free
    if needed and needed + _SPARE_BYTES > free:
        raise DiskFull(
            f"{needed / 1e6:,.0f} MB are to be written to {shown(target)}, and only "
            f"{max(0, free - _SPARE_BYTES) / 1e6:,.0f} MB are free for that: free "
            "some, name a folder on another disk with --to, or choose fewer rows with "
            "--where. Nothing was written"
        )


def _image_files(selection: Selection, target: Path) -> Iterator[ImageFile]:
    for row in selection.rows():
        folders = [folder_of_value(column, row[column]) for column in selection.by]
        folder = target.joinpath(*folders)
        for file in row["files"]:
            name = file["name"]
            yield ImageFile(
                name=name,
                path=folder / ("_" if leads_out(name) else name),
                size_bytes=file["size_bytes"],
                sha256=file["sha256"],
                modified=row["finished_at"],
            )
