"""Turn the bytes of a body into what a provider reads: JSON, images or text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from secrets import token_hex

import httpx
import pybase64

from batchgen.decoding import decode_base64
from batchgen.model import Blob, Json

# What goes beyond this cannot be a message that somebody reads.
TEXT_LIMIT_BYTES = 64 * 1024

MOST_VALUES = 100_000
"""In a JSON document: each takes a hundred times the byte that it needs there."""

LARGE_BYTES = 64 * 1024
"""Base64 from this size on is decoded where it stands, and not parsed before."""

_BACKSLASH = 0x5C
# How some writers of JSON escape what stands in base64.
_ESCAPES = ((b"\\/", b"/"), (b"\\u002B", b"+"), (b"\\u002b", b"+"))

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
    if _is_image(body, headers):
        return Blob(body)
    if claims_json(headers) or body[:1024].lstrip().startswith(_JSON_STARTS):
        try:
            return read_json(body, blob_keys)
        except ValueError:
            pass  # complete, but no JSON: the text tells the provider's words
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


def _is_image(body: bytes, headers: Mapping[str, str]) -> bool:
    if body.startswith(_IMAGE_STARTS):
        return True
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return True
    return claims_image(headers)


def read_json(body: bytes, blob_keys: frozenset[str]) -> Json:
    """Return a JSON document, its base64 values as Blobs.

    Raises:
        ValueError: it is not JSON.
        Unreadable: it is nested too deeply, or has too many values.
    """
    taken: dict[str, Blob] = {}
    if blob_keys and len(body) >= LARGE_BYTES:
        body, taken = take_out(body, blob_keys)
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise Unreadable(f"the JSON has more than {MOST_VALUES:,} values")
    try:
        document: Json = json.loads(
            body, parse_float=Decimal, parse_constant=_refuse_constant
        )
        return _lift(document, blob_keys, taken) if blob_keys else document
    except RecursionError:
        raise Unreadable("the JSON is nested too deeply") from None


def take_out(
    body: bytes, blob_keys: frozenset[str], least_bytes: int = LARGE_BYTES
) -> tuple[bytes, dict[str, Blob]]:
    """Decode large base64 values where they stand: a parser would copy them twice.

    Returns:
        The document with a word in the place of each, and what the words stand for.
    """
    names = b"|".join(re.escape(it.encode()) for it in sorted(blob_keys))
    key = re.compile(rb'"(?:' + names + rb')"\s*:\s*"')
    word = token_hex(16)  # random, so that no text of the document can be it
    rest: list[bytes] = []
    taken: dict[str, Blob] = {}
    kept_to = looked_to = 0
    while found := key.search(body, looked_to):
        start = looked_to = found.end()
        end = body.find(b'"', start)
        # A key that begins with an escaped quote stands within a text.
        within_text = body[max(0, found.start() - 1)] == _BACKSLASH
        if within_text or end - start < least_bytes:
            continue
        blob = _decode_between(body, start, end)
        if blob is not None:
            taken[f"{word}{len(taken)}"] = blob
            rest += (body[kept_to:start], f"{word}{len(taken) - 1}".encode())
            kept_to = looked_to = end
    rest.append(body[kept_to:])
    return b"".join(rest), taken


def _decode_between(body: bytes, start: int, end: int) -> Blob | None:
    try:
        return Blob(pybase64.b64decode(memoryview(body)[start:end], validate=True))
    except ValueError:
        pass  # a data URI, escaped, without padding, or no base64 at all
    text = body[start:end]
    for escaped, meant in _ESCAPES:
        text = text.replace(escaped, meant)
    return decode_base64(text.decode("ascii", "replace"))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _lift(value: Json, blob_keys: frozenset[str], taken: Mapping[str, Blob]) -> Json:
    match value:
        case dict():
            return {
                key: _lift_at(key, each, blob_keys, taken)
                for key, each in value.items()
            }
        case list():
            return [_lift(each, blob_keys, taken) for each in value]
        case _:
            return value


def _lift_at(
    key: str, value: Json, blob_keys: frozenset[str], taken: Mapping[str, Blob]
) -> Json:
    if key in blob_keys and isinstance(value, str):
        return taken.get(value) or decode_base64(value) or value
    return _lift(value, blob_keys, taken)
