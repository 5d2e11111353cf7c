"""What a reference image is, told from its bytes, and which are refused."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.images import MOST_DECODED_PIXELS, NotAnImage, inspect
from batchgen.model import MAX_REFERENCE_BYTES, too_large_words

# The limits of what is absurd are our own; providers' are far below.
MOST_BYTES = MAX_REFERENCE_BYTES
MOST_SIDE_PX = 30_000
MOST_PIXELS = MOST_DECODED_PIXELS


class Unusable(ValueError):
    """Why a reference image cannot be used, in words for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a reference image is.

    Attributes:
        media_type: By content, whatever its name says.
        extension: Of the media type, without a dot.
    """

    media_type: str
    extension: str
    size_bytes: int
    width_px: int
    height_px: int


def examine(data: bytes) -> Facts:
    """Return what an image is; its structure is walked, no pixel is decoded.

    Raises:
        Unusable: it is no image, or a damaged, animated or absurdly large one.
    """
    check_size(len(data))
    try:
        image = inspect(data)
    except NotAnImage as error:
        raise Unusable(f"no usable image ({error})") from error
    if image.frames > 1:
        raise Unusable(f"animated, {image.frames} frames; give a single picture")
    width_px, height_px = image.width_px, image.height_px
    if max(width_px, height_px) > MOST_SIDE_PX or width_px * height_px > MOST_PIXELS:
        raise Unusable(
            f"{width_px} x {height_px} pixels are too large (at most "
            f"{MOST_SIDE_PX:,} a side and {MOST_PIXELS // 1_000_000} million in all)"
        )
    return Facts(
        media_type=image.media_type,
        extension=image.extension,
        size_bytes=len(data),
        width_px=width_px,
        height_px=height_px,
    )


def check_size(size_bytes: int) -> None:
    """Refuse what is too large to be looked at.

    Raises:
        Unusable: it is.
    """
    if size_bytes > MOST_BYTES:
        raise Unusable(too_large_words(size_bytes))
