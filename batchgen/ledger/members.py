"""The images that the ledger has in the archive, and their places after compaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from batchgen.ledger.ledger import Ledger
from batchgen.ledger.reader import Reader


class ListedImage(NamedTuple):
    """An image as the ZIP's directory lists it, and the row that it is for."""

    position: int
    image: int
    name: str
    place: int
    size_bytes: int
    crc32: int
    ended_at: int | None
    media_type: str
    sha256: str
    width_px: int
    height_px: int
    id: str | int
    request: str
    provider: str
    model: str
    aspect_ratio: str | None
    resolution: str | None


def directory_images(ledger: Reader) -> Iterator[ListedImage]:
    """Yield the stored images of the manifest's rows, in its order, each once."""
    return map(ListedImage._make, _listed(ledger, whole=True))


def directory_places(ledger: Reader) -> Iterator[tuple[Any, ...]]:
    """Yield name, place, size in bytes, CRC-32 and end of the same images.

    The end is in microseconds, or None.
    """
    return (line[2:7] for line in _listed(ledger, whole=False))


def _listed(ledger: Reader, *, whole: bool) -> Iterator[tuple[Any, ...]]:
    last = None
    values = {"generation": ledger.generation, "whole": whole}
    for line in ledger.stream("directory_images", values):
        if line[:2] != last:
            yield line
        last = line[:2]


class StoredMember(NamedTuple):
    """An image that the ledger has in the archive, and the row that it is for.

    Attributes:
        place: Offset of its local header.
        row_name: Id or position of its row; None if the manifest does not hold it.
        estimate: What one image of that row costs today, in nano-dollars, if known.
    """

    name: str
    place: int
    size_bytes: int
    crc32: int
    sha256: bytes
    attempt_id: int
    image: int
    row_name: str | int | None
    estimate: int | None


class KeptMember(NamedTuple):
    """An image that stays when the archive is compacted."""

    number: int
    attempt_id: int
    image: int
    name: str
    place: int
    size_bytes: int
    crc32: int


def stored_members(ledger: Reader) -> Iterator[StoredMember]:
    """Yield all images of the archive, in the order in which they lie there."""
    values = {"generation": ledger.generation}
    return map(StoredMember._make, ledger.stream("members_stored", values))


def count_members(ledger: Reader) -> tuple[int, int]:
    """Return how many images the archive has, and their bytes together."""
    count, size_bytes = ledger.execute("members_count").fetchone()
    return int(count), int(size_bytes)


class Compaction:
    """The ledger's part of a compaction; all of it is steps of one commit."""

    def __init__(self, ledger: Ledger) -> None:
        """Choose the images that stay.

        If the manifest was not read to its end, the rows that left it are unknown: then
        their images stay, too.
        """
        self._ledger = ledger
        self.is_plan_whole = ledger.meta.plan_digest is not None
        ledger.execute("kept_drop")
        ledger.execute("kept_create")
        values = {"generation": ledger.generation, "is_whole": self.is_plan_whole}
        ledger.execute("kept_fill", values)

    def members(self) -> Iterator[KeptMember]:
        """Yield the images that stay, in the order of the archive."""
        return map(KeptMember._make, self._ledger.stream("kept_members"))

    def move(self, member: KeptMember, place: int) -> None:
        """Write down an image's place in the new archive."""
        self._ledger.execute("image_moved", (place, member.attempt_id, member.image))

    def drop_others(self) -> tuple[int, int]:
        """Forget the places of all other images.

        Returns:
            How many there were, and how many of these no other image stands in for:
            those of rows that the manifest no longer holds.
        """
        images, removed = self._ledger.execute("images_dropped").fetchone()
        self._ledger.execute("images_drop")
        self._ledger.execute("rows_without_images")
        return int(images), int(removed)
