"""Decode the pixels of an image, and make a thumbnail."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Final

from PIL import Image, ImageOps

from batchgen.images.inspect import MAX_DECODED_PIXELS

DECODING_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's codecs raise for bytes that they cannot decode."""

_QUALITY = 60


def thumbnail(data: bytes, media_type: str, side_px: int) -> bytes | None:
    """Return a small WebP of an image; see `scaled`."""
    try:
        small = scaled(data, media_type, side_px)
        if small is None:
            return None
        file = io.BytesIO()
        small.save(file, "WEBP", quality=_QUALITY, method=2)
        return file.getvalue()
    except DECODING_ERRORS:
        return None


def scaled(data: bytes, media_type: str, side_px: int) -> Image.Image | None:
    """Return an image scaled down; None if its pixels cannot be read.

    Args:
        data: One whole image.
        media_type: Of the image; no other decoder is tried.
        side_px: Maximum length of the longer side.
    """
    kind = media_type.removeprefix("image/").upper()
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            if image.width * image.height > MAX_DECODED_PIXELS:
                return None
            image.draft("RGB", (side_px, side_px))  # decodes a JPEG at a reduced size
            small = ImageOps.exif_transpose(image)
        if small.mode not in ("RGB", "RGBA"):
            small = small.convert("RGBA" if small.has_transparency_data else "RGB")
        small.thumbnail((side_px, side_px), Image.Resampling.BICUBIC, reducing_gap=2.0)
    except DECODING_ERRORS:
        return None
    return small
