"""The body that Google's generateContent accepts, and the values in it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from io import BytesIO
from math import log
from typing import Any

from PIL import Image

from batchgen.sandbox.drawing import pixel_size
from batchgen.sandbox.protojson import Base64Text, EnumText, canonical_object
from batchgen.sandbox.reference_images import ImageRules, decode_base64
from batchgen.sandbox.request_parsing import BodySpec
from batchgen.sandbox.shapes import ListOf, Number, Object, Text

_RATIOS = (
    *("1:1", "1:4", "1:8", "2:3", "3:2", "3:4", "4:1", "4:3", "4:5", "5:4", "8:1"),
    *("9:16", "16:9", "21:9"),
)
_CATEGORIES = tuple(
    f"HARM_CATEGORY_{name}"
    for name in (
        *("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT"),
        "CIVIC_INTEGRITY",
    )
)
_THRESHOLDS = (
    *("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH"),
    *("BLOCK_NONE", "OFF"),
)
_MAX_REFERENCES = 14
_LEVELS = ("minimal", "low", "medium", "high")


def references_in(body: Mapping[str, Any]) -> list[str]:
    """Return the base64 of the images in a valid request, in order."""
    return [part["inlineData"]["data"] for part in _parts(body) if "inlineData" in part]


def prompt_in(body: Mapping[str, Any]) -> str:
    """Return the text of a valid request."""
    return "\n".join(part["text"] for part in _parts(body) if "text" in part)


def resolution_in(body: Mapping[str, Any]) -> str:
    """Return the resolution that a valid request asks for."""
    return str(_image_config(body).get("imageSize", "1K"))


def has_size(body: Mapping[str, Any]) -> bool:
    """Return whether a valid request states the size of its image."""
    return "imageSize" in _image_config(body)


def thinking_in(body: Mapping[str, Any]) -> str | None:
    """Return the level of thinking that a valid request asks for, in lower case."""
    thinking = body.get("generationConfig", {}).get("thinkingConfig", {})
    level: str | None = thinking.get("thinkingLevel")
    return level and level.lower()


def ratio_in(body: Mapping[str, Any]) -> str:
    """Return the ratio that a valid request asks for.

    Without one, the ratio nearest to that of the input image, else 1:1. Which of
    several input images counts is not documented: the first.
    """
    stated: str | None = _image_config(body).get("aspectRatio")
    images = references_in(body)
    if stated is not None or not images:
        return stated or "1:1"
    with Image.open(BytesIO(b64decode(images[0]))) as image:
        target = log(image.width / image.height)
    return min(_RATIOS, key=lambda ratio: abs(_log_ratio(ratio) - target))


def _log_ratio(ratio: str) -> float:
    width, height = pixel_size(ratio, "1K")
    return log(width / height)


def _parts(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [part for content in body["contents"] for part in content["parts"]]


def _image_config(body: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = body.get("generationConfig", {}).get("imageConfig", {})
    return config


def _problems_of_part(part: Mapping[str, Any]) -> Iterator[str]:
    if len(part) != 1:
        yield "needs either 'text' or 'inlineData'"


def _problems_of_image(blob: Mapping[str, Any]) -> Iterator[str]:
    data = decode_base64(blob["data"])
    if data is None:
        yield "'data' is no base64"
        return
    yield from ImageRules().problems(data, blob["mimeType"])


def _problems_of_modalities(config: Mapping[str, Any]) -> Iterator[str]:
    # Google accepts TEXT alone; here it can only be a mistake.
    if "IMAGE" not in config.get("responseModalities", ("IMAGE",)):
        yield "'responseModalities' has no IMAGE"


def _problems_of_request(body: Mapping[str, Any]) -> Iterator[str]:
    if not prompt_in(body):
        yield "'contents' have no text"
    images = len(references_in(body))
    if images > _MAX_REFERENCES:
        yield f"{images} images, and the model takes {_MAX_REFERENCES}"
    categories = [setting["category"] for setting in body.get("safetySettings", ())]
    if len(set(categories)) < len(categories):
        yield "'safetySettings' name a category twice"


_PART = Object(
    fields={
        "text": Text(),
        "inlineData": Object(
            fields={
                "mimeType": Text(required=True),
                "data": Base64Text(required=True),
            },
            rule=_problems_of_image,
        ),
    },
    rule=_problems_of_part,
)
_CONTENT = Object(
    fields={
        "role": Text(choices=("user",)),
        "parts": ListOf(required=True, minimum=1, maximum=100, item=_PART),
    }
)
_CONFIG = Object(
    fields={
        "responseModalities": ListOf(
            minimum=1, maximum=2, item=EnumText(choices=("TEXT", "IMAGE"))
        ),
        "imageConfig": Object(
            fields={
                "aspectRatio": Text(choices=_RATIOS),
                "imageSize": Text(choices=("512", "1K", "2K", "4K")),
            }
        ),
        "thinkingConfig": Object(
            fields={
                "thinkingLevel": Text(choices=(*_LEVELS, *map(str.upper, _LEVELS))),
            }
        ),
        "temperature": Number(minimum=0, maximum=2),
        "topP": Number(minimum=0, maximum=1),
        "topK": Number(minimum=1, maximum=64, whole=True),
        "maxOutputTokens": Number(minimum=1, maximum=65_536, whole=True),
    },
    rule=_problems_of_modalities,
)
PURCHASE_BODY = BodySpec(
    shape=Object(
        fields={
            "contents": ListOf(required=True, minimum=1, maximum=1, item=_CONTENT),
            # The model in the path decides.
            "model": Text(),
            "generationConfig": _CONFIG,
            "safetySettings": ListOf(
                maximum=len(_CATEGORIES),
                item=Object(
                    fields={
                        "category": Text(required=True, choices=_CATEGORIES),
                        "threshold": Text(required=True, choices=_THRESHOLDS),
                    }
                ),
            ),
            "tools": ListOf(
                maximum=1,
                item=Object(fields={"googleSearch": Object(required=True, fields={})}),
            ),
        },
        rule=_problems_of_request,
    ),
    # Documented for batches only; assumed for single requests.
    max_bytes=20 * 1024 * 1024,
    canonical=canonical_object,
)
"""The body of a request: a conversation with one turn."""
