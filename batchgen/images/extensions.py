"""A file extension for bytes that are no whole image of a supported format."""

from __future__ import annotations

import re

_KINDS = (
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
_HEAD_BYTES = 1024


def extension_of(data: bytes) -> str:
    """Return the extension, without a dot, with which a person can open the bytes."""
    head = data[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf")
    for extension, magic in _KINDS:
        if magic.match(head):
            return extension
    try:
        # The last character may be incomplete where the head ends.
        text = head.decode("utf-8", "strict" if len(data) <= _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return "bin"
    is_text = all(letter.isprintable() or letter.isspace() for letter in text)
    return "txt" if text and is_text else "bin"
