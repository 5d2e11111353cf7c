"""Turn the bytes of a body into what a provider reads: JSON, images or text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from types import MappingProxyType

import httpx

from batchgen.decoding import decode_base64
from batchgen.model import Blob, Json

# What goes beyond this cannot be a message that somebody reads.
TEXT_LIMIT_BYTES = 64 * 1024

MOST_VALUES = 100_000
"""In a JSON document: each takes a hundred times the byte that it needs there."""

NOTHING_TAKEN: Mapping[str, Blob] = MappingProxyType({})

_JSON_STARTS = (b"{", b"[")
_IMAGE_STARTS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8")


class Unreadable(httpx.DecodingError):
    """The JSON is built to be a burden; nobody's reply looks like that."""


def claims_json(headers: Mapping[str, str]) -> bool:
    """Return whether the headers say that the body is JSON."""
    return "json" in headers.get("content-type", "").lower()


def claims_image(headers: Mapping[str, str]) -> bool:
    """Return whether the headers say that the body is an image."""
    return headers.get("content-type", "").lower().startswith("image/")


def decode_body(
    body: bytes, headers: Mapping[str, str], blob_keys: frozenset[str]
) -> Json:
    """Return a JSON document, a Blob for an image, else the first 64 KB as text.

    Judged by content before the content type: providers mislabel both ways.

    Raises:
        Unreadable: the JSON is nested too deeply, or has too many values.
    """
    if is_image(body, headers):
        return Blob(body)
    if is_json(body, headers):
        try:
            return read_json(body, blob_keys)
        except ValueError:
            pass  # complete, but no JSON: the text tells the provider's words
    return as_text(body)


def as_text(body: bytes) -> str:
    """Return the first 64 KB of a body as text."""
    return body[:TEXT_LIMIT_BYTES].decode("utf-8", errors="replace")


def size_of_blobs(document: Json) -> int:
    """Return the bytes of all Blobs in a document."""
    match document:
        case Blob():
            return len(document)
        case dict():
            return sum(size_of_blobs(it) for it in document.values())
        case list():
            return sum(size_of_blobs(it) for it in document)
        case _:
            return 0


def is_image(start: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether a body is an image, by its first bytes, else by its headers."""
    if start.startswith(_IMAGE_STARTS):
        return True
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return True
    return claims_image(headers)


def is_json(start: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether to try to read a body that is no image as JSON."""
    return claims_json(headers) or start[:1024].lstrip().startswith(_JSON_STARTS)


def read_json(
    body: bytes, blob_keys: frozenset[str], taken: Mapping[str, Blob] = NOTHING_TAKEN
) -> Json:
    """Return a JSON document, its base64 values as Blobs.

    Line breaks within texts are let pass, as some write them into base64.

    Args:
        body: The document.
        blob_keys: Whose values are base64.
        taken: Those that are decoded already, by the words that stand for them.

    Raises:
        ValueError: it is not JSON.
        Unreadable: it is nested too deeply, or has too many values.
    """
    may_have = len(body) > MOST_VALUES  # each takes a byte at least
    if may_have and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise Unreadable(f"the JSON has more than {MOST_VALUES:,} values")
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    decoder = _decoder(blob_keys, taken) if taken else _usual_decoder(blob_keys)
    try:
        document: Json = decoder.decode(text)
    except RecursionError:
        raise Unreadable("the JSON is nested too deeply") from None
    return document


def _decoder(
    blob_keys: frozenset[str], taken: Mapping[str, Blob] = NOTHING_TAKEN
) -> json.JSONDecoder:
    def lift(found: dict[str, Json]) -> dict[str, Json]:
        for key in blob_keys:
            value = found.get(key)
            if isinstance(value, str):
                found[key] = taken.get(value) or decode_base64(value) or value
        return found

    return json.JSONDecoder(
        object_hook=lift if blob_keys else None,
        parse_float=Decimal,
        parse_constant=_refuse_constant,
        strict=False,
    )


_usual_decoder = cache(_decoder)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
