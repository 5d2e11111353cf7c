"""Turn the bytes of a body into what a provider's reader takes: JSON, image or text."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from batchgen.model import Blob, Json
from batchgen.providers._decoding import decode_data_uri
from batchgen.providers._text_images import image_in_base64
from batchgen.wire.lenient_json import (
    NOTHING_DECODED,
    JsonTooLarge,
    decode_text,
    decoder_of,
    read_embedded_json,
    read_events,
    read_json,
    starts_events,
)

# A longer text is not an error message.
TEXT_LIMIT_BYTES = 64 * 1024

_JSON_STARTS = ("{", "[")
_IMAGE_STARTS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8")


def declares_json(headers: Mapping[str, str]) -> bool:
    """Return whether the headers declare the body as JSON."""
    return "json" in headers.get("content-type", "").lower()


def declares_image(headers: Mapping[str, str]) -> bool:
    """Return whether the headers declare the body as an image."""
    return headers.get("content-type", "").lower().startswith("image/")


def decode_body(
    body: bytes, headers: Mapping[str, str], blob_keys: frozenset[str]
) -> Json:
    """Return a JSON document, a Blob for an image, else the first 64 KB as text.

    The content decides before the content type, which providers get wrong both ways.
    Several documents, as in a stream of events, become a list.

    Raises:
        JsonTooLarge: the JSON is nested too deeply, or has too many values.
    """
    if is_image(body, headers):
        return Blob(body)
    try:
        return read_text(body, headers, blob_keys)
    except ValueError:
        return start_as_text(body)  # the text may be the provider's error message


def read_text(
    body: bytes,
    headers: Mapping[str, str],
    blob_keys: frozenset[str],
    decoded: Mapping[str, Blob] = NOTHING_DECODED,
) -> Json:
    """Return what a body other than an image holds: JSON, events, or base64.

    Args:
        body: As it came, with placeholders for values that were decoded meanwhile.
        headers: Of the reply.
        blob_keys: Keys whose values are base64.
        decoded: The decoded values, by their placeholders.

    Raises:
        ValueError: the body is none of them.
        JsonTooLarge: the JSON is nested too deeply, or has too many values.
    """
    is_declared = declares_json(headers)
    looks_like_json = is_json(body, headers)
    if looks_like_json:
        try:
            return read_json(body, blob_keys, decoded)
        except ValueError:
            pass  # there may be other text around the JSON
    decoder = decoder_of(blob_keys, decoded)
    if is_events(body, headers):
        return read_events(decode_text(body), decoder)
    if (image := image_in_text(body)) is not None:
        return image
    if looks_like_json:
        return read_embedded_json(decode_text(body), decoder, is_declared=is_declared)
    if b"{" in body[:TEXT_LIMIT_BYTES]:
        try:
            return read_embedded_json(decode_text(body), decoder, is_declared=False)
        except JsonTooLarge:
            pass  # a large page does no harm: the page is not parsed
    raise ValueError("plain text")


def start_as_text(body: bytes) -> str:
    """Return the first 64 KB of a body as text."""
    start = body[:TEXT_LIMIT_BYTES]
    encoding = json.detect_encoding(start)
    return start.decode(encoding, errors="replace")


def image_in_text(body: bytes) -> Blob | None:
    """Return the image that a text encodes, as base64 or data URI; else None."""
    start = body[:80].lstrip()
    if start[:11].lower() == b"data:image/":
        blob = decode_data_uri(body.decode("ascii", "replace").strip())
        return blob if blob is not None and blob.data else None
    head = image_in_base64(start.decode("ascii", "replace").strip('"').ljust(80, "A"))
    if head is None:
        return None
    return image_in_base64(body.decode("ascii", "replace").strip().strip('"'))


def size_in_memory(document: Json) -> int:
    """Return the bytes of all Blobs and texts in a document."""
    match document:
        case Blob():
            return len(document)
        case str():
            return sys.getsizeof(document)
        case dict():
            return sum(map(size_in_memory, document.values()))
        case list():
            return sum(map(size_in_memory, document))
        case _:
            return 0


def is_image(start: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether a body is an image: by its first bytes, else by its headers."""
    if start.startswith(_IMAGE_STARTS):
        return True
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return True
    is_text = _starts_json(start) or image_in_text(start[:1024]) is not None
    return declares_image(headers) and not is_text


def is_json(start: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether to try to parse a body other than an image as JSON."""
    return declares_json(headers) or _starts_json(start)


def is_events(start: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether a body other than an image is a stream of events."""
    is_declared = "event-stream" in headers.get("content-type", "").lower()
    return starts_events(start) or (is_declared and b"data:" in start[:4096])


def _starts_json(start: bytes) -> bool:
    first = start[:1024]
    text = first.decode(json.detect_encoding(first), "replace")
    return text.lstrip("\ufeff \t\r\n").startswith(_JSON_STARTS)
