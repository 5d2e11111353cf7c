"""The replies of the cases themselves, from their files."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.cases.server import PRICE, Answer
from tests.providers.expected import FOLDER as SAMPLES

FOLDER = Path(__file__).parent / "replies"


def load_all(name: str) -> list[Answer]:
    """Return the replies of a file, in its order."""
    content = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    items: list[dict[str, Any]] = content if isinstance(content, list) else [content]
    return [_answer(item) for item in items]


def load(name: str, charge: Decimal = Decimal(0)) -> Answer:
    """Return the one reply of a file."""
    [answer] = load_all(name)
    return replace(answer, charge=charge)


def load_sold(name: str) -> Answer:
    """Return the one reply of a file, of an image that is charged."""
    return load(name, PRICE)


def load_sample(provider: str, name: str) -> Answer:
    """Return a reply of a provider's samples."""
    return _answer(json.loads((SAMPLES / provider / f"{name}.json").read_text("utf-8")))


def _answer(item: dict[str, Any]) -> Answer:
    body = item["body"]
    if isinstance(body, dict) and set(body) == {"base64"}:
        body = base64.b64decode(body["base64"])
    return Answer(item["status"], body, item["headers"])
