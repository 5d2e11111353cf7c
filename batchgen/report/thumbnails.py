"""Small pictures of a run's images, made once."""

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

TOGETHER = 32
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
    """Yield thumbnails in the order of the pictures, some at a time.

    Args:
        archive: Where the images are; one that is missing there has no thumbnail.
        pictures: By SHA-256; the first `MAX_PICTURES` count.
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
        _read(file, 0)  # opened here, once for all threads
        # Pillow lets go of the interpreter while it decodes, scales and encodes.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while together := list(islice(names, TOGETHER)):
                yield dict(zip(together, pool.map(thumbnail_of, together), strict=True))
    finally:
        file.close()


def _read(file: DiskFile, place: int) -> bytes | None:
    try:
        return image_at(file, place)
    except StorageError:
        return None
