"""Find images in texts: base64, data URIs, pictures and links."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from batchgen.model import Blob, Link
from batchgen.providers._decoding import (
    decode_base64,
    decode_data_uri,
    link,
)

Image = Link | Blob
_BASE64_STARTS = (
    *("iVBORw0KGg", "/9j/", "R0lGODlh", "R0lGODdh", "UklGR", "Qk0", "AAAA", "PHN2Zy"),
)
_IMAGE_BYTES = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8|RIFF....WEBP|BM|....ftyp(?:avif|heic|mif1)|<svg",
    re.DOTALL,
)
_MIN_BASE64_LENGTH = 40  # letters; no image is smaller


def image_in_base64(text: str) -> Blob | None:
    """Return the image of a base64 text, known by its first bytes; else None."""
    start = text[:80].lstrip()
    if len(text) < _MIN_BASE64_LENGTH or not start.startswith(_BASE64_STARTS):
        return None
    head = decode_base64("".join(start.split())[:32])
    if head is None or not _IMAGE_BYTES.match(head.data):
        return None
    return decode_base64(text.strip())


# A model's text may be long and repetitive, so no pattern may take quadratic time.
_DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,[A-Za-z0-9+/=_\-]+", re.IGNORECASE)
_PICTURE_LINK = re.compile(
    r"!\[[^\[\]]*\]\([ \t]*<?(https?://[^\s)>]+)"
    r"|<img\b[^<>]*?\bsrc=[\"'](https?://[^\"'<>\s]+)",
    re.IGNORECASE,
)
_FILE_LINK = re.compile(
    r"\]\([ \t]*<?(https?://[^\s)>]+)"
    r"|^[ \t]*<?(https?://[^\s)>\"'\]]+)>?[ \t\r]*$",
    re.IGNORECASE | re.MULTILINE,
)
_FILE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")


def images_in_text(*texts: str) -> tuple[Image, ...]:
    """Return the images in a model's text; links are marked as from a text.

    The first of these that occurs: a text that is only base64 of an image, data URIs,
    pictures in Markdown or HTML, links to image files in Markdown or on their own line.
    """
    alone = (image_in_base64(text) for text in texts)
    if images := unique_images(
        blob for blob in alone if blob is not None and blob.data
    ):
        return images
    text = "\n".join(texts)
    blobs = (decode_data_uri(match.group()) for match in _DATA_URI.finditer(text))
    if images := unique_images(
        blob for blob in blobs if blob is not None and blob.data
    ):
        return images
    pictures = [match[1] or match[2] for match in _PICTURE_LINK.finditer(text)]
    urls = pictures or [
        url
        for match in _FILE_LINK.finditer(text)
        if names_image_file(url := match[1] or match[2])
    ]
    links = (link(url) for url in urls)
    return unique_images(
        Link(each.url, from_text=True) for each in links if each is not None
    )


def names_image_file(url: str) -> bool:
    """Say whether the path of a URL ends as that of an image file."""
    try:
        return urlsplit(url).path.lower().endswith(_FILE_ENDINGS)
    except ValueError:
        return False


def unique_images(images: Iterable[Image]) -> tuple[Image, ...]:
    """Return images without repeated links; equal bytes stay: both were paid for."""
    links: set[str] = set()
    unique: list[Image] = []
    for image in images:
        if isinstance(image, Blob) or image.url not in links:
            unique.append(image)
        if isinstance(image, Link):
            links.add(image.url)
    return tuple(unique)
