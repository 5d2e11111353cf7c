"""Which kinds of image can be made of which."""

from __future__ import annotations

from collections.abc import Collection

_READ = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_AVIF = "image/avif"
_WRITTEN = frozenset({"image/png", "image/jpeg", "image/webp"})


def can_make(media_type: str, wanted: Collection[str]) -> bool:
    """Tell whether one of the wanted types can be made of an image."""
    known = media_type in _READ or (media_type == _AVIF and _reads_avif())
    return known and not _WRITTEN.isdisjoint(wanted)


def _reads_avif() -> bool:
    # Only here: whatever else is asked of images before they are bought needs no
    # Pillow, which takes its time to load.
    from PIL import Image

    Image.init()
    return "AVIF" in Image.SAVE  # registered only where its library is there
