"""Make thumbnails of a run's images, each only once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pybase64

from batchgen.errors import StorageError
from batchgen.images.pixels import thumbnail
from batchgen.output.diskfile import DiskFile
from batchgen.output.walk import image_at
from batchgen.report.contents import Picture

PIECE_SIZE = 32
"""Pictures in one piece of the page, which is decoded when one of them is shown."""

MAX_PICTURES = 20_000
_MANY = 4_000
_SIDE_PX, _SMALL_SIDE_PX = 160, 96

Thumbnails = dict[str, str | None]
"""WebP in base64 by the SHA-256 of the image; None where its pixels cannot be read."""


def side_px(pictures: int) -> int:
    """Return how large thumbnails are, so that a page of many opens quickly."""
    return _SIDE_PX if pictures <= _MANY else _SMALL_SIDE_PX


def thumbnails(
    archive: Path, pictures: Mapping[str, Picture], existing: Mapping[str, str]
) -> Iterator[Thumbnails]:
    """Yield thumbnails in the order of the pictures, a piece at a time.

    Args:
        archive: The ZIP; an image that is missing there gets no thumbnail.
        pictures: By SHA-256; only the first `MAX_PICTURES` are used.
        existing: Thumbnails of the same size that were made before.
    """
    size_px = side_px(len(pictures))
    file = DiskFile(archive)
    names = islice(pictures, MAX_PICTURES)

    def thumbnail_of(name: str) -> str | None:
        if name in existing:
            return existing[name]
        data = _read(file, pictures[name].place)
        small = data and thumbnail(data, pictures[name].media_type, size_px)
        return pybase64.b64encode_as_string(small) if small else None

    try:
        _read(file, 0)  # opens the file once for all threads
        # Pillow releases the interpreter lock while it decodes, scales and encodes.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while piece := list(islice(names, PIECE_SIZE)):
                yield dict(zip(piece, pool.map(thumbnail_of, piece), strict=True))
    finally:
        file.close()


def _read(file: DiskFile, place: int) -> bytes | None:
    try:
        return image_at(file, place)
    except StorageError:
        return None
