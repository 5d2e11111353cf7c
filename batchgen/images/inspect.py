"""Check that bytes are a whole image, and read its format and size, without decoding.

Magic bytes, header and structural end are checked. That is enough to tell an image from
an error page, and a whole file from a truncated one. Bytes after the end (padding, a
gain map, a second picture) are allowed: the image was paid for, and readers skip them.
Only AVIF, which has no end mark, must consist of whole boxes or zeros.
"""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from batchgen.images import formats
from batchgen.images.formats import NotAnImage, Shape, cut_off

__all__ = ["MAX_DECODED_PIXELS", "ImageFacts", "NotAnImage", "extension_of", "inspect"]

MAX_SIDE_PX = 65_535
MAX_PIXELS = 400_000_000
# Just below 89,478,485, where Pillow begins to warn of a decompression bomb.
MAX_DECODED_PIXELS = 89_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What the bytes of an image say about it.

    Attributes:
        extension: Without a dot.
        frames: More than one in an animation.
    """

    media_type: str
    extension: str
    size_bytes: int
    width_px: int
    height_px: int
    frames: int = 1


_FORMATS: tuple[tuple[str, str, re.Pattern[bytes], Callable[[bytes], Shape]], ...] = (
    ("PNG", "png", re.compile(rb"\x89PNG\r\n\x1a\n"), formats.png),
    ("JPEG", "jpg", re.compile(rb"\xff\xd8\xff"), formats.jpeg),
    ("WebP", "webp", re.compile(rb"RIFF....WEBP", re.DOTALL), formats.webp),
    ("GIF", "gif", re.compile(rb"GIF8[79]a"), formats.gif),
    ("AVIF", "avif", re.compile(rb"....ftyp(....)*?avi[fs]", re.DOTALL), formats.avif),
)
"""Name, extension and magic bytes of each format, and the function that walks it."""

# What may arrive in place of an image, for the message; the first match counts.
_OTHER_CONTENT = (
    (
        re.compile(rb"\s*<(!doctype\s+html|html|head|body)", re.IGNORECASE),
        "an HTML page",
    ),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?<svg", re.IGNORECASE), "an SVG drawing"),
    (re.compile(rb"\s*<"), "XML"),
    (re.compile(rb"\s*[\[{]"), "JSON"),
    (re.compile(rb"BM|II\*\0|MM\0\*"), "a BMP or TIFF image, which is not supported"),
    (
        re.compile(rb"\xff\x0a|....JXL ", re.DOTALL),
        "a JPEG XL image, which is not supported",
    ),
    (
        re.compile(rb"....ftyp", re.DOTALL),
        "a video or HEIC image, which is not supported",
    ),
    (re.compile(rb"\x1f\x8b"), "gzip-compressed"),
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"\0+$"), "nothing but zero bytes"),
)
_EXTENSIONS = (
    ("png", re.compile(rb"\x89PNG")),
    ("jpg", re.compile(rb"\xff\xd8\xff")),
    ("gif", re.compile(rb"GIF8")),
    ("webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("avif", re.compile(rb"....ftypavi[fs]", re.DOTALL)),
    ("heic", re.compile(rb"....ftyp(?:hei|mif)", re.DOTALL)),
    ("tiff", re.compile(rb"II\*\0|MM\0\*")),
    ("jxl", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("bmp", re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL)),
    ("pdf", re.compile(rb"%PDF-")),
    ("zip", re.compile(rb"PK\x03\x04")),
    ("mp4", re.compile(rb"....ftyp", re.DOTALL)),
    ("svg", re.compile(rb"\s*(?:<\?xml[^>]*>|<!--.*?-->|\s)*(?:<!DOCTYPE svg|<svg\b)")),
    ("html", re.compile(rb"\s*(?:<!DOCTYPE html|<html\b|<head\b|<body\b)", re.I)),
    ("xml", re.compile(rb"\s*<\?xml\b")),
    ("json", re.compile(rb"\s*[\[{]")),
)
"""Bytes that are no whole image of a supported format; the first match counts."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0e-\x1f]")
_HEAD_BYTES = 512
_MIN_MAGIC_BYTES = 12


def inspect(data: bytes) -> ImageFacts:
    """Return the kind and size of a PNG, JPEG, WebP, GIF or AVIF image.

    Raises:
        NotAnImage: the bytes are something else, are truncated, or have an absurd size.
    """
    start = data[:_HEAD_BYTES]
    kind = next((kind for kind in _FORMATS if kind[2].match(start)), None)
    if kind is None:
        raise NotAnImage(_describe(start))
    name, extension, _, measure = kind
    try:
        shape = measure(data)
    except (struct.error, IndexError):
        raise cut_off(name) from None
    _check_size(shape.width_px, shape.height_px)
    return ImageFacts(
        media_type=f"image/{name.lower()}",
        extension=extension,
        size_bytes=len(data),
        **shape._asdict(),
    )


def extension_of(data: bytes) -> str:
    """Return an extension, without a dot, with which a person can open any bytes."""
    head = data[:_HEAD_BYTES].removeprefix(_BYTE_ORDER_MARK)
    for extension, magic in _EXTENSIONS:
        if magic.match(head):
            return extension
    return "txt" if head and _is_text(head) else "bin"


def _check_size(width_px: int, height_px: int) -> None:
    if not (width_px and height_px):
        raise NotAnImage(f"damaged: its size is {width_px} x {height_px} pixels")
    if max(width_px, height_px) > MAX_SIDE_PX or width_px * height_px > MAX_PIXELS:
        raise NotAnImage(
            f"too large: {width_px} x {height_px} pixels (at most {MAX_SIDE_PX} "
            f"a side and {MAX_PIXELS // 1_000_000} million in all)"
        )


def _describe(start: bytes) -> str:
    if not start:
        return "empty"
    text = start.removeprefix(_BYTE_ORDER_MARK)
    for pattern, description in _OTHER_CONTENT:
        if pattern.match(text):
            return description
    if _is_text(text):
        return "text"
    if len(start) < _MIN_MAGIC_BYTES:
        return f"cut off: {len(start)} bytes"
    return f"no known image, it begins with {start[:8].hex(' ')}"


def _is_text(start: bytes) -> bool:
    try:
        # Incremental: the last character may be incomplete where the head ends.
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return not _CONTROL_CHARACTERS.search(text)
