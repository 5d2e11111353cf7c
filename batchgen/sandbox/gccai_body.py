"""The bodies that gccai accepts: the fields of its page, and the form of an upload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from batchgen.sandbox.reference_images import ImageRules
from batchgen.sandbox.request_parsing import BodySpec
from batchgen.sandbox.shapes import (
    FilePart,
    Files,
    Flag,
    ImageText,
    ListOf,
    Number,
    Object,
    Text,
)

_RATIOS = (
    *("auto", "1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "5:4", "4:5"),
    *("21:9", "1:4", "4:1", "1:8", "8:1"),
)
_IMAGE = ImageRules(max_bytes=10_000_000)


def _without_search(body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("google_image_search") and not body.get("google_search"):
        yield "'google_image_search': needs 'google_search': true"


PURCHASE_BODY = BodySpec(
    shape=Object(
        fields={
            "model": Text(
                required=True,
                choices=(
                    "gemini-3.1-flash-image-preview",
                    "gemini-3.1-flash-image-preview-official",
                ),
            ),
            "prompt": Text(required=True),
            "size": Text(choices=_RATIOS),
            "resolution": Text(choices=("0.5K", "1K", "2K", "4K")),
            "n": Number(minimum=1, maximum=4, whole=True),
            "official_fallback": Flag(),
            "image_urls": ListOf(
                maximum=14,
                item=ImageText(schemes=("https", "http", "data"), image=_IMAGE),
            ),
            "google_search": Flag(),
            "google_image_search": Flag(),
        },
        rule=_without_search,
    ),
    # Fourteen images of 10 MB are 187 MB as base64.
    max_bytes=200 * 1024 * 1024,
)
"""The body of a purchase request."""

# `file` is a guess: no page and no client that was read names the part.
UPLOAD_BODY = BodySpec(
    media_type="multipart/form-data",
    shape=Object(
        fields={
            "file": Files(
                required=True, minimum=1, maximum=1, item=FilePart(image=_IMAGE)
            )
        }
    ),
)
"""The body of an upload."""
