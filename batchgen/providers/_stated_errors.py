"""Errors in the body of a reply with status 200: their status, and their charge."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from batchgen.model import Json
from batchgen.providers._decoding import fields, number

FREE_WHEN_STATED = frozenset({401, 402, 403, 404, 429, 503})
"""Statuses in the body of a 200 after which nothing was charged: no work was begun."""

# google.rpc.Code, as HTTP status (googleapis/googleapis, google/rpc/code.proto).
_CANONICAL: Mapping[str, int] = MappingProxyType(
    {
        "INVALID_ARGUMENT": 400,
        "FAILED_PRECONDITION": 400,
        "OUT_OF_RANGE": 400,
        "UNAUTHENTICATED": 401,
        "PERMISSION_DENIED": 403,
        "NOT_FOUND": 404,
        "ABORTED": 409,
        "ALREADY_EXISTS": 409,
        "RESOURCE_EXHAUSTED": 429,
        "CANCELLED": 499,
        "INTERNAL": 500,
        "UNKNOWN": 500,
        "DATA_LOSS": 500,
        "UNIMPLEMENTED": 501,
        "UNAVAILABLE": 503,
        "DEADLINE_EXCEEDED": 504,
    }
)
_UNAMBIGUOUS_NAMES = {
    name: status
    for name, status in _CANONICAL.items()
    if "_" in name or status in {401, 503}
}
_STATUS = re.compile(r"([45][0-9]{2})(?:\.0)?(?:\s.*)?")
_STATUS_KEYS = (
    *("code", "status", "status_code", "statusCode", "error_code", "errorCode"),
    *("http_status", "httpStatus"),
)


def stated_status(body: Json) -> int | None:
    """Return the HTTP status of an error in a body; None if the body states none.

    It may be a number, a text, or one of Google's canonical names. Without an error
    object, a name counts only if it is not a state of a task.
    """
    document = fields(body)
    errors = (document.get(key) for key in ("error", "errors", "detail"))
    for error in errors:
        inner = fields(error[0] if isinstance(error, list) and error else error)
        for key in _STATUS_KEYS:
            if (status := _as_status(inner.get(key), _CANONICAL)) is not None:
                return status
    names = {} if "id" in document or "task_id" in document else _UNAMBIGUOUS_NAMES
    statuses = (_as_status(document.get(key), names) for key in _STATUS_KEYS)
    return next((status for status in statuses if status is not None), None)


def _as_status(value: Json, names: Mapping[str, int]) -> int | None:
    exact = number(value)
    text = value if isinstance(value, str) else ""
    if exact is not None and exact < 1000 and exact == int(exact):
        text = str(int(exact))
    if match := _STATUS.fullmatch(text.strip()[:200]):
        return int(match[1])
    return names.get(text.strip().upper())


_USAGE = re.compile(
    r"usage\w*|credits?_?(?:used|cost|consumed)|cost(?:_usd)?|charged\w*", re.IGNORECASE
)


def has_usage(body: Json, depth: int = 5) -> bool:
    """Return whether usage, credits or costs have any value but zero."""
    if isinstance(body, list):
        return depth > 0 and any(has_usage(item, depth - 1) for item in body)
    return depth > 0 and any(
        _has_amount(value, depth - 1)
        if _USAGE.fullmatch(key)
        else has_usage(value, depth - 1)
        for key, value in fields(body).items()
    )


def _has_amount(value: Json, depth: int) -> bool:
    if isinstance(value, dict | list) and depth:
        inner = value.values() if isinstance(value, dict) else value
        return any(_has_amount(item, depth - 1) for item in inner)
    return bool(number(value))
