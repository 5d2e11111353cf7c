"""Read a request, and report everything that the documents do not allow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request

from batchgen.sandbox.multipart import read_form
from batchgen.sandbox.reference_images import shorten_image
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.shapes import Files, Object, Shape

_MEGABYTE = 1024 * 1024

Canonical = Callable[[Object, Mapping[str, Any]], tuple[dict[str, Any], list[str]]]
"""Brings a body into one spelling, and lists problems with that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySpec:
    """The body that one endpoint accepts.

    Attributes:
        shape: Of the whole body; its fields are those of the document.
        max_bytes: Of the body as it is sent.
        canonical: For a service that accepts several spellings of one document.
    """

    shape: Object
    media_type: Literal["application/json", "multipart/form-data"] = "application/json"
    max_bytes: int = 64 * _MEGABYTE
    canonical: Canonical | None = None


def json_body(
    fields: Mapping[str, Shape], *, canonical: Canonical | None = None
) -> BodySpec:
    """Return the spec of a JSON object with these fields."""
    return BodySpec(shape=Object(fields=fields), canonical=canonical)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedBody:
    """A request body after parsing.

    Attributes:
        body: Its fields; a field of files has a list of `Part`. Empty if unreadable.
        record: The body for people and comparisons, as JSON if it could be read:
            images by size and digest, a form as the list of its parts in order.
        violation: The error for a body that is not allowed; None for a right one.
    """

    body: Mapping[str, Any] = field(default_factory=dict)
    record: str = ""
    violation: Refusal | None = None


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request.

    Raises:
        Refusal: The body is too large. It was read to its end all the same, because
            many clients read no reply before they have sent everything.
    """
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= max_bytes:
            body += chunk
    if size > max_bytes:
        limit = max_bytes // _MEGABYTE
        raise Refusal(Reason.TOO_LARGE, f"The body is larger than {limit} MB")
    return bytes(body)


def read_key(request: Request, header: str = "authorization") -> str:
    """Return the key; every key is accepted that does not contain `wrong`.

    In `authorization` it is a bearer token, or has another scheme: that of a header
    such as `authorization Key`. In any other header it stands alone.

    Raises:
        Refusal: The key is missing or wrong; the detail repeats it, as real ones do.
    """
    name, _, expected_scheme = header.partition(" ")
    header_value = request.headers.get(name, "")
    scheme, _, key = header_value.partition(" ")
    if name != "authorization":
        scheme, key = "bearer", header_value
    is_right = scheme.lower() == (expected_scheme or "bearer").lower()
    if not is_right or not key.strip() or "wrong" in key:
        raise Refusal(Reason.WRONG_KEY, key.strip() or header_value)
    return key.strip()


def parse_body(spec: BodySpec, content_type: str, raw: bytes) -> ParsedBody:
    """Parse and check a body; slow for large ones, so call this in a thread."""
    if spec.media_type == "multipart/form-data":
        return _read_multipart(spec, content_type, raw)
    return _read_json(spec, content_type, raw)


def _read_json(spec: BodySpec, content_type: str, raw: bytes) -> ParsedBody:
    try:
        body = parse_json(raw)
    except ValueError as error:
        violation = Refusal(Reason.BAD_REQUEST, f"Invalid JSON: {error}")
        return ParsedBody(record=raw.decode("utf-8", "replace"), violation=violation)
    record = json.dumps(_shorten_images(body), ensure_ascii=False)
    is_json = content_type.partition(";")[0].strip().lower() == "application/json"
    if is_json and isinstance(body, dict):
        return _check_body(spec, body, record, [])
    problem = "The body must be a JSON object"
    if not is_json:
        problem = f"Content-Type must be JSON, not {content_type!r}"
    return ParsedBody(record=record, violation=Refusal(Reason.BAD_REQUEST, problem))


def _read_multipart(spec: BodySpec, content_type: str, raw: bytes) -> ParsedBody:
    try:
        parts = read_form(content_type, raw)
    except ValueError as error:
        digest = hashlib.sha256(raw).hexdigest()
        return ParsedBody(
            record=f"unreadable: {len(raw)} bytes, sha256 {digest}",
            violation=Refusal(Reason.BAD_REQUEST, f"Invalid form: {error}"),
        )
    body: dict[str, Any] = {}
    problems = []
    for name, value in parts:
        if isinstance(spec.shape.fields.get(name), Files):
            body.setdefault(name, []).append(value)
        elif name in body:
            problems.append(f"'{name}': stands twice")
        else:
            body[name] = value
    records = [
        {"name": name, "value": value}
        if isinstance(value, str)
        else {"name": name, **value.as_record()}
        for name, value in parts
    ]
    record = json.dumps(records, ensure_ascii=False)
    return _check_body(spec, body, record, problems)


def _check_body(
    spec: BodySpec, body: Mapping[str, Any], record: str, problems: list[str]
) -> ParsedBody:
    """Return a body in its canonical spelling, with all its problems."""
    if spec.canonical is not None:
        body, spelling = spec.canonical(spec.shape, body)
        problems = [*problems, *spelling]
    problems = [*problems, *spec.shape.problems(body, "")]
    violation = Refusal(Reason.INVALID, "\n".join(problems)) if problems else None
    return ParsedBody(body=body, record=record, violation=violation)


def _shorten_images(value: Any) -> Any:
    match value:
        case str():
            return shorten_image(value)
        case list():
            return [_shorten_images(item) for item in value]
        case dict():
            return {name: _shorten_images(item) for name, item in value.items()}
        case _:
            return value


def parse_json(raw: str | bytes) -> Any:
    """Return a JSON document that can be written as JSON again.

    Raises:
        ValueError: Not JSON, or a field occurs twice.
    """
    try:
        document = json.loads(
            raw, object_pairs_hook=_reject_duplicates, parse_constant=_reject_constant
        )
    except RecursionError as error:
        raise ValueError("too deep") from error
    # Half a surrogate pair is valid JSON but not valid text: encode() refuses it.
    json.dumps(document, ensure_ascii=False).encode()
    return document


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a field occurs twice")
    return document


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
