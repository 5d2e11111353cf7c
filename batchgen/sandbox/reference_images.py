"""What a reference image must be: whole, of a type that is taken, not too large."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

from PIL import Image

_DATA_URI = re.compile(r"data:(image/[a-z0-9.+-]+);base64,")
_PNG_END = b"IEND\xaeB`\x82"
# How base64 of PNG, JPEG (in both alphabets), GIF and WebP begins.
_IMAGES_IN_BASE64 = ("iVBORw0KGgo", "/9j/", "_9j_", "R0lGOD", "UklGR")
_TO_STANDARD_ALPHABET = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRules:
    """What a document says of one reference image.

    Attributes:
        max_bytes: Of the file itself, not of its base64; None where nothing is said.
    """

    media_types: tuple[str, ...] = ("image/png", "image/jpeg", "image/webp")
    max_bytes: int | None = None

    def problems(self, data: bytes, stated: str | None) -> Iterator[str]:
        """Yield what is wrong with an image.

        Args:
            data: The file.
            stated: Media type that the request gives for it; None if it gives none.
        """
        media_type = _media_type(data)
        if media_type is None:
            yield "Image cannot be decoded"
        elif media_type not in self.media_types:
            yield f"Unsupported image type {media_type}"
        elif stated is not None and stated != media_type:
            yield f"Image is {media_type}, not {stated}"
        if self.max_bytes is not None and len(data) > self.max_bytes:
            yield f"Image of {len(data)} bytes exceeds {self.max_bytes} bytes"


# A job with one logo sends it with every row.
@lru_cache(maxsize=16)
def _media_type(data: bytes) -> str | None:
    """Return the type of a whole image by its content; None if it is none."""
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            kind = Image.MIME.get(image.format or "")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    # Pillow has all pixels by then, and forgives a PNG that lacks its end.
    return None if kind == "image/png" and _PNG_END not in data else kind


def decode_base64(text: str) -> bytes | None:
    """Return what strict base64 stands for; None if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def standard_base64(text: str) -> str:
    """Return base64 of either alphabet in the standard one, with its padding."""
    text = text.translate(_TO_STANDARD_ALPHABET)
    return text + "=" * (-len(text) % 4)


def read_data_uri(text: str) -> tuple[str, bytes] | None:
    """Return media type and file of a data URI; None if it is none of base64."""
    prefix = _DATA_URI.match(text)
    data = decode_base64(text[prefix.end() :]) if prefix else None
    return None if prefix is None or data is None else (prefix[1], data)


def shorten_image(text: str) -> str:
    """Return a text with an image in it replaced by the image's size and digest."""
    prefix = _DATA_URI.match(text)
    start = prefix.end() if prefix else 0
    if prefix is None and not text.startswith(_IMAGES_IN_BASE64):
        return text
    data = decode_base64(standard_base64(text[start:]))
    if data is None:
        return text
    digest = hashlib.sha256(data).hexdigest()
    return f"{text[:start]}<{len(data)} bytes, sha256 {digest}>"
