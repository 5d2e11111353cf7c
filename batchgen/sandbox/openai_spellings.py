"""Different spellings of a request that OpenAI accepts.

Source: reference of the images API and openai-python 3.57.0, which sends one reference
as `image` and several as `image[]`; that `image` twice is "Duplicate parameter" stands
in reports about several clients (such as diaomin66/astrbot_plugin_omnidraw, 58); read
2026-11-30. It is assumed that both names in one request are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchgen.sandbox.multipart import Part
from batchgen.sandbox.shapes import Object


def without_nulls(
    shape: Object, body: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return a body without fields of null, which OpenAI treats as absent."""
    fields = {
        name: value
        for name, value in body.items()
        if value is not None or name not in shape.fields
    }
    return fields, []


def image_as_list(
    shape: Object,  # noqa: ARG001  one contract for all
    body: Mapping[str, Any],
) -> tuple[dict[str, Any], list[str]]:
    """Return a form in which a single `image` is a list of one, as several are."""
    fields = dict(body)
    if not isinstance(fields.get("image"), Part):
        return fields, []
    image = fields.pop("image")
    if "image[]" in fields:
        return fields, ["'image': stands beside 'image[]'"]
    return {**fields, "image[]": [image]}, []
