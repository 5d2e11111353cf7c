"""Which images are refused as references, whatever the provider."""

from __future__ import annotations

from batchgen.images import MAX_DECODED_PIXELS, ImageFacts, NotAnImage, inspect
from batchgen.model import MAX_REFERENCE_BYTES, too_large_message

# These limits are our own and only stop absurd files; providers' limits are far lower.
MAX_BYTES = MAX_REFERENCE_BYTES
MAX_SIDE_PX = 30_000


class Unusable(ValueError):
    """A reference image cannot be used; the message says why, in plain words."""


def examine(data: bytes) -> ImageFacts:
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
    is_too_long = max(width_px, height_px) > MAX_SIDE_PX
    if is_too_long or width_px * height_px > MAX_DECODED_PIXELS:
        raise Unusable(
            f"{width_px} x {height_px} pixels are too large (at most {MAX_SIDE_PX:,} a "
            f"side and {MAX_DECODED_PIXELS // 1_000_000} million in all)"
        )
    return image


def check_size(size_bytes: int) -> None:
    """Refuse a file that is too large to be read.

    Raises:
        Unusable: it has more than `MAX_BYTES`.
    """
    if size_bytes > MAX_BYTES:
        raise Unusable(too_large_message(size_bytes))
