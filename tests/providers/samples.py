"""The replies under `samples/replies`, as a provider's decode receives them."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path

from batchgen.model import Blob, Endpoint, Json, Reply

FOLDER = Path(__file__).parents[2] / "samples" / "replies"
ENDPOINT = Endpoint("https://api.example", "k-123")


def sample(provider: str, name: str) -> Reply:
    """Return a sample; base64 stands in it as Blob, fractions as Decimal."""
    text = (FOLDER / provider / f"{name}.json").read_text("utf-8")
    document = json.loads(text, parse_float=Decimal, object_hook=_with_blob)
    return Reply(document["status"], document["headers"], document["body"])


def reply(
    body: Json, status: int = 200, headers: dict[str, str] | None = None
) -> Reply:
    """Return a reply that no sample shows."""
    return Reply(status, headers or {}, body)


def _with_blob(found: dict[str, Json]) -> dict[str, Json]:
    match found:
        case {"b64_json": str(text)}:
            return found | {"b64_json": Blob(base64.b64decode(text))}
        case _:
            return found
