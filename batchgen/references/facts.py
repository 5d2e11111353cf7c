"""What the bytes of a reference image say about it, and which images are refused."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.images import MAX_DECODED_PIXELS, NotAnImage, inspect
from batchgen.model import MAX_REFERENCE_BYTES, too_large_message

# These limits are our own and only stop absurd files; providers' limits are far lower.
MAX_BYTES = MAX_REFERENCE_BYTES
MAX_SIDE_PX = 30_000
MAX_PIXELS = MAX_DECODED_PIXELS


class Unusable(ValueError):
    """A reference image cannot be used; the message says why, in plain words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a reference image is.

    Attributes:
        media_type: By its content; the file name does not count.
        extension: Of the media type, without a dot.
    """

    media_type: str
    extension: str
    size_bytes: int
    width_px: int
    height_px: int


def examine(data: bytes) -> Facts:
    """Return what an image is; its structure is checked, no pixel is decoded.

    Raises:
        Unusable: the bytes are no image, or a damaged, animated or absurdly large one.
    """
    check_size(len(data))
    try:
        image = inspect(data)
    except NotAnImage as error:
        raise Unusable(f"no usable image ({error})") from error
    if image.frames > 1:
        raise Unusable(f"animated, {image.frames} frames; give a single picture")
    width_px, height_px = image.width_px, image.height_px
    if max(width_px, height_px) > MAX_SIDE_PX or width_px * height_px > MAX_PIXELS:
        raise Unusable(
            f"{width_px} x {height_px} pixels are too large (at most "
            f"{MAX_SIDE_PX:,} a side and {MAX_PIXELS // 1_000_000} million in all)"
        )
    return Facts(
        media_type=image.media_type,
        extension=image.extension,
        size_bytes=len(data),
        width_px=width_px,
        height_px=height_px,
    )


def check_size(size_bytes: int) -> None:
    """Refuse a file that is too large to be read.

    Raises:
        Unusable: it has more than `MAX_BYTES`.
    """
    if size_bytes > MAX_BYTES:
        raise Unusable(too_large_message(size_bytes))
