"""The replies under `samples/replies`, as a provider's decode receives them."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

from batchgen.errors import AttemptError
from batchgen.model import Accepted, Blob, Delivered, Json, Reply
from batchgen.providers.base import Endpoint, Provider
from tests.providers.expected import FOLDER

ENDPOINT = Endpoint("https://api.example", "k-123")


def sample(provider: str, name: str) -> Reply:
    """Return a sample; base64 stands in it as Blob, fractions as Decimal."""
    text = (FOLDER / provider / f"{name}.json").read_text("utf-8")
    document = json.loads(text, parse_float=Decimal, object_hook=_with_blob)
    if "body_base64" in document:
        image = Blob(base64.b64decode(document["body_base64"]))
        return Reply(document["status"], document["headers"], image)
    return Reply(document["status"], document["headers"], document["body"])


def samples_of(provider: str) -> set[str]:
    """Return the names of a provider's samples, each of which needs a test."""
    return {path.stem for path in (FOLDER / provider).glob("*.json")}


def outcome(provider: Provider, reply: Reply) -> Delivered | Accepted | AttemptError:
    """Return what a provider reads in the answer to a purchase, errors included."""
    try:
        return provider.decode(reply)
    except AttemptError as error:
        return error


def reply(
    body: Json, status: int = 200, headers: dict[str, str] | None = None
) -> Reply:
    """Return a reply that no sample shows."""
    return Reply(status, headers or {}, body)


def _with_blob(document: dict[str, Json]) -> dict[str, Json]:
    match document:
        case {"b64_json": str(text)}:
            return document | {"b64_json": Blob(base64.b64decode(text))}
        case {"mimeType": _, "data": str(text)}:
            return document | {"data": Blob(base64.b64decode(text))}
        case _:
            return document
