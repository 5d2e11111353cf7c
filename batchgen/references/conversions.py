"""Which formats of images can be converted into which."""

from __future__ import annotations

from collections.abc import Collection

_READABLE = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_WRITABLE = frozenset({"image/png", "image/jpeg", "image/webp"})
_AVIF = "image/avif"


def can_convert(media_type: str, targets: Collection[str]) -> bool:
    """Tell whether an image can be converted into one of the target types."""
    is_readable = media_type in _READABLE or (media_type == _AVIF and _reads_avif())
    return is_readable and not _WRITABLE.isdisjoint(targets)


def _reads_avif() -> bool:
    # Pillow loads slowly, and no other check before a purchase needs it.
    from PIL import Image

    Image.init()
    # Registered only where Pillow was built with the AVIF library.
    return "AVIF" in Image.SAVE
