"""The one writer of JSON: amounts are exact numbers, times ISO 8601 in UTC.

Every document begins with its format and the version of its shape. What the names in
the documents mean stands in `batchgen/docs/json.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from batchgen.model import Price, dollars

FORMATS: Mapping[str, int] = {
    "check": 1,
    "config": 1,
    "contact": 1,
    "costs": 1,
    "error": 1,
    "notice": 1,
    "progress": 1,
    "provider": 1,
    "providers": 1,
    "reconcile": 1,
    "recover": 1,
    "runs": 1,
    "status": 1,
    "summary": 1,
    "unpack": 1,
}
"""Version of each kind of document. A removed name, or one with a new meaning, makes a
new version; an added name does not."""


def tagged(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document that begins with its format, such as `batchgen.status/1`."""
    return {"format": f"batchgen.{kind}/{FORMATS[kind]}", **fields}


def exact_json(value: object) -> str:
    """Write a value as JSON: a Decimal as a number with all its digits."""
    match value:
        case str():
            return json.dumps(value)
        case Mapping():
            pairs = (
                f"{json.dumps(str(key))}: {exact_json(each)}"
                for key, each in value.items()
            )
            return f"{{{', '.join(pairs)}}}"
        case Sequence():
            return f"[{', '.join(map(exact_json, value))}]"
        case _:
            return _single(value)


def _single(value: object) -> str:
    match value:
        case Decimal():
            # Python's own writer knows no Decimal, and others write an exponent.
            return dollars(value).replace("$", "") if value.is_finite() else "null"
        case None | bool() | int():
            return json.dumps(value)
        case float():
            return json.dumps(value if isfinite(value) else str(value))
        case datetime():
            return json.dumps(moment_text(value))
        case date():
            return json.dumps(value.isoformat())
        case _:
            return json.dumps(str(value))


def moment_text(at: datetime) -> str:
    """Return a time in ISO 8601; one of a known zone in UTC."""
    if at.tzinfo is None:
        return at.isoformat()
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def price_fields(price: Price | None) -> dict[str, Any] | None:
    """Return the price of one image, and its source."""
    if price is None:
        return None
    return {
        "lowest_usd": price.floor,
        "expected_usd": price.expected,
        "highest_usd": price.ceiling,
        "page": price.page,
        "read_on": price.read_on,
    }
