"""What the bytes of an image say about it; importing this does not load Pillow."""

from batchgen.images.extensions import extension_of
from batchgen.images.inspect import (
    MAX_DECODED_PIXELS,
    MAX_PIXELS,
    MAX_SIDE_PX,
    ImageFacts,
    NotAnImage,
    inspect,
)

__all__ = [
    "MAX_DECODED_PIXELS",
    "MAX_PIXELS",
    "MAX_SIDE_PX",
    "ImageFacts",
    "NotAnImage",
    "extension_of",
    "inspect",
]
