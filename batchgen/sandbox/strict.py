"""Read a request and find fault with all of it that a document does not allow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from starlette.requests import Request

from batchgen.sandbox.refusal import Reason, Refusal

_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What a document says of one field of a request body.

    Attributes:
        choices: Allowed values; none given means that any is allowed.
        most_urls: Longest list of URLs.
        schemes: What a URL may start with.
    """

    kind: Literal["string", "boolean", "urls"]
    required: bool = False
    choices: tuple[str, ...] = ()
    most_urls: int = 0
    schemes: tuple[str, ...] = ()


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        Refusal: It is larger than 64 MB.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise Refusal(Reason.BAD_REQUEST, "The body is larger than 64 MB")
    return bytes(body)


def read_key(request: Request) -> str:
    """Return the bearer key; any is right that does not contain `wrong`.

    Raises:
        Refusal: It is missing or wrong; the detail echoes it, as real ones do.
    """
    header = request.headers.get("authorization", "")
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.strip() or "wrong" in key:
        raise Refusal(Reason.WRONG_KEY, key.strip() or header)
    return key.strip()


def read_object(content_type: str, raw: bytes) -> dict[str, Any]:
    """Return the JSON object that a request body holds.

    Raises:
        Refusal: It is something else, or names a field twice.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            Reason.BAD_REQUEST, f"Content-Type must be JSON, not {content_type!r}"
        )
    try:
        body = parse_json(raw)
    except ValueError as error:
        raise Refusal(Reason.BAD_REQUEST, f"Invalid JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(Reason.BAD_REQUEST, "The body must be a JSON object")
    return body


def parse_json(raw: str | bytes) -> Any:
    """Return a JSON document that can be written as JSON again.

    Raises:
        ValueError: It is none, or names a field twice.
    """
    try:
        document = json.loads(
            raw, object_pairs_hook=_no_twins, parse_constant=_no_constant
        )
    except RecursionError as error:
        raise ValueError("too deep") from error
    # Half a surrogate pair is valid JSON, and no text: this does not take it.
    json.dumps(document, ensure_ascii=False).encode()
    return document


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field occurs twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def problems(body: Mapping[str, Any], fields: Mapping[str, Field]) -> list[str]:
    """Return one line for each fault; none means that the body is right."""
    return [
        *(
            f"Unrecognized key(s) in object: '{name}'"
            for name in sorted(body.keys() - fields)
        ),
        *(
            f"'{name}': Required"
            for name, field in fields.items()
            if field.required and name not in body
        ),
        *(
            f"'{name}': {problem}"
            for name, field in fields.items()
            if name in body
            for problem in _problems_of(body[name], field)
        ),
    ]


def _problems_of(value: object, field: Field) -> Iterator[str]:
    match field.kind, value:
        case "boolean", bool():
            return
        case "string", str():
            yield from _problems_of_string(value, field)
        case "urls", list():
            yield from _problems_of_urls(value, field)
        case _:
            kind = "array" if field.kind == "urls" else field.kind
            yield f"Expected {kind}, received {_kind_of(value)}"


def _problems_of_string(value: str, field: Field) -> Iterator[str]:
    if field.choices and value not in field.choices:
        expected = " | ".join(f"'{choice}'" for choice in field.choices)
        yield f"Invalid enum value. Expected {expected}, received '{value}'"
    if not value.strip():
        yield "String must contain at least 1 character(s)"


def _problems_of_urls(value: list[Any], field: Field) -> Iterator[str]:
    if len(value) > field.most_urls:
        yield f"Array must contain at most {field.most_urls} element(s)"
    for position, url in enumerate(value):
        if not isinstance(url, str):
            yield f"Expected string at {position}, received {_kind_of(url)}"
        elif not _is_url(url, field.schemes):
            yield f"Invalid url at {position}"


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    if parts.scheme not in schemes or " " in text:
        return False
    if parts.scheme == "data":
        return parts.path.startswith("image/") and "," in parts.path
    return bool(parts.hostname)


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"
