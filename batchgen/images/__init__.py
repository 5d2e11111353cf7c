"""What the bytes of an image say about it; importing this does not load Pillow."""

from batchgen.images.inspect import (
    MAX_DECODED_PIXELS,
    ImageFacts,
    NotAnImage,
    extension_of,
    inspect,
)

__all__ = ["MAX_DECODED_PIXELS", "ImageFacts", "NotAnImage", "extension_of", "inspect"]
