"""Rules for a reference image: whole, of an allowed type, not too large."""

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
# The start of base64 of PNG, JPEG (in both alphabets), GIF and WebP.
_IMAGES_IN_BASE64 = ("iVBORw0KGgo", "/9j/", "_9j_", "R0lGOD", "UklGR")
_TO_STANDARD_ALPHABET = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRules:
    """A provider's documented rules for one reference image.

    Attributes:
        max_bytes: Of the file itself, not of its base64; None without a documented one.
    """

    media_types: tuple[str, ...] = ("image/png", "image/jpeg", "image/webp")
    max_bytes: int | None = None

    def problems(self, data: bytes, stated: str | None) -> Iterator[str]:
        """Yield the problems of an image; `stated` is its media type in the request."""
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
    """Return the type of a whole image by its content; None for other content."""
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            kind = Image.MIME.get(image.format or "")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    # Pillow accepts a PNG without its end, once it has all pixels.
    return None if kind == "image/png" and _PNG_END not in data else kind


def decode_base64(text: str) -> bytes | None:
    """Return decoded base64; None if the text is not strict base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def standard_base64(text: str) -> str:
    """Return base64 of either alphabet in the standard alphabet, with padding."""
    text = text.translate(_TO_STANDARD_ALPHABET)
    return text + "=" * (-len(text) % 4)


def read_data_uri(text: str) -> tuple[str, bytes] | None:
    """Return media type and file of a data URI; None if it has no base64."""
    prefix = _DATA_URI.match(text)
    data = decode_base64(text[prefix.end() :]) if prefix else None
    return None if prefix is None or data is None else (prefix[1], data)


def shorten_image(text: str) -> str:
    """Return a text in which an image is replaced by its size and digest."""
    prefix = _DATA_URI.match(text)
    start = prefix.end() if prefix else 0
    if prefix is None and not text.startswith(_IMAGES_IN_BASE64):
        return text
    data = decode_base64(standard_base64(text[start:]))
    if data is None:
        return text
    digest = hashlib.sha256(data).hexdigest()
    return f"{text[:start]}<{len(data)} bytes, sha256 {digest}>"
