"""Turn the bytes of a body into what a provider reads: JSON, images or text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from batchgen.decoding import decode_base64
from batchgen.model import Blob, Json

# What goes beyond this cannot be a message that somebody reads.
TEXT_LIMIT_BYTES = 64 * 1024

_JSON_STARTS = (b"{", b"[")
_IMAGE_STARTS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8")


def claims_json(headers: Mapping[str, str]) -> bool:
    """Return whether the headers say that the body is JSON."""
    return "json" in headers.get("content-type", "").lower()


def decode_body(
    body: bytes, headers: Mapping[str, str], blob_keys: frozenset[str]
) -> Json:
    """Return a JSON document, a Blob for an image, else the first 64 KB as text.

    Judged by content before the content type: providers mislabel both ways.
    """
    if _is_image(body, headers):
        return Blob(body)
    if claims_json(headers) or body[:1024].lstrip().startswith(_JSON_STARTS):
        try:
            return read_json(body, blob_keys)
        except (ValueError, RecursionError):
            pass  # complete, but no JSON: the text tells the provider's words
    return body[:TEXT_LIMIT_BYTES].decode("utf-8", errors="replace")


def _is_image(body: bytes, headers: Mapping[str, str]) -> bool:
    if body.startswith(_IMAGE_STARTS):
        return True
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return True
    return headers.get("content-type", "").lower().startswith("image/")


def read_json(body: bytes, blob_keys: frozenset[str]) -> Json:
    """Return a JSON document, its base64 values as Blobs.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    document: Json = json.loads(
        body, parse_float=Decimal, parse_constant=_refuse_constant
    )
    return _lift(document, blob_keys) if blob_keys else document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _lift(value: Json, blob_keys: frozenset[str]) -> Json:
    match value:
        case dict():
            return {key: _lift_at(key, each, blob_keys) for key, each in value.items()}
        case list():
            return [_lift(each, blob_keys) for each in value]
        case _:
            return value


def _lift_at(key: str, value: Json, blob_keys: frozenset[str]) -> Json:
    if key in blob_keys and isinstance(value, str):
        return decode_base64(value) or value
    return _lift(value, blob_keys)
