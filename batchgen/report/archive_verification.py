"""Read every image of a ZIP, and report those that are damaged; change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.ledger import Reader, StoredMember, count_members, stored_members
from batchgen.output import ARCHIVE
from batchgen.output.directory_check import directory_damage
from batchgen.output.diskfile import DiskFile
from batchgen.output.member_copy import ExpectedMember, damage_of
from batchgen.runner.folder import current_ledger
from batchgen.storage.outputs import directory_entries

MAX_LISTED = 1000
"""How many damaged images are listed."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged image, and what is wrong."""

    member: StoredMember
    problem: str


@dataclass(slots=True)
class Verification:
    """What was read, and what is wrong.

    Attributes:
        images, size_bytes: Of the images that the ledger has in the ZIP.
        damaged: The first damaged images; `damaged_count` counts all.
        directory: What is wrong with the ZIP's directory; None if nothing is, or if it
            was not checked.
        is_finished: Whether the ZIP should have a directory that fits the ledger.
        is_working: Whether a run works on the folder.
        estimate: Today's price of the damaged images in nano-dollars, as far as known.
        unpriced: How many damaged images have no known price.
        rehearsed: Whether the folder is of a rehearsal, with pretend money.
    """

    images: int = 0
    size_bytes: int = 0
    damaged: list[Damage] = field(default_factory=list)
    damaged_count: int = 0
    directory: str | None = None
    is_finished: bool = False
    is_working: bool = False
    estimate: int = 0
    unpriced: int = 0
    rehearsed: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damaged_count and self.directory is None


def verify(path: Path, on_progress: Callable[[int, int], None]) -> Verification:
    """Read the ZIP of a folder; a run may work on it meanwhile.

    Args:
        path: The run folder.
        on_progress: Called repeatedly with the bytes read and the bytes in total.

    Raises:
        SpecError: there is no run in the folder.
        StorageError: the file cannot be read.
    """
    with current_ledger(path) as (ledger, is_held), ledger.snapshot():
        verification = Verification(
            is_working=not is_held, rehearsed=ledger.is_rehearsal
        )
        file = DiskFile(path / ARCHIVE)
        try:
            _verify_images(ledger, file, verification, on_progress)
            verification.is_finished = is_held and ledger.meta.outputs == "fresh"
            if verification.is_finished and (
                verification.images or file.size_bytes() >= 0
            ):
                end = ledger.meta.archive_end
                verification.directory = directory_damage(
                    file, end, directory_entries(ledger)
                )
        finally:
            file.close()
    return verification


def _verify_images(
    ledger: Reader,
    file: DiskFile,
    verification: Verification,
    on_progress: Callable[[int, int], None],
) -> None:
    verification.images, verification.size_bytes = count_members(ledger)
    exists = file.size_bytes() >= 0
    done = 0
    for member in stored_members(ledger):
        problem = "the file is missing"
        if exists:
            problem = damage_of(file, _expected(member)) or ""
        if problem:
            _record(verification, Damage(member, problem))
        done += member.size_bytes
        on_progress(done, verification.size_bytes)


def _expected(member: StoredMember) -> ExpectedMember:
    return ExpectedMember(
        member.name, member.place, member.size_bytes, member.crc32, member.sha256
    )


def _record(verification: Verification, damage: Damage) -> None:
    verification.damaged_count += 1
    if len(verification.damaged) < MAX_LISTED:
        verification.damaged.append(damage)
    if damage.member.estimate is None:
        verification.unpriced += 1
    else:
        verification.estimate += damage.member.estimate
