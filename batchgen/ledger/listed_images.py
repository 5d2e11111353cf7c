"""Read from the ledger which images the ZIP's directory lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

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
