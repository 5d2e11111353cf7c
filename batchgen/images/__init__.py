"""What the bytes of an image say about themselves; no pixel is decoded here."""

from batchgen.images.extensions import extension_of
from batchgen.images.inspect import (
    MOST_DECODED_PIXELS,
    MOST_PIXELS,
    MOST_SIDE_PX,
    ImageFacts,
    NotAnImage,
    inspect,
)

__all__ = [
    "MOST_DECODED_PIXELS",
    "MOST_PIXELS",
    "MOST_SIDE_PX",
    "ImageFacts",
    "NotAnImage",
    "extension_of",
    "inspect",
]
