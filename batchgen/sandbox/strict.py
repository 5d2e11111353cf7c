"""Read a request and find fault with all of it that a document does not allow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request

from batchgen.sandbox.forms import Part, read_form
from batchgen.sandbox.reference import shortened
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.shapes import Files, Object, Shape

_MEGABYTE = 1024 * 1024

Canonical = Callable[[Object, Mapping[str, Any]], tuple[dict[str, Any], list[str]]]
"""Bring a body into one spelling, and list what forbids that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What one endpoint takes.

    Attributes:
        check: Of the whole body; its fields are those of the document.
        most_bytes: Of the body as it is sent.
        canonical: For a service that reads several spellings of one document.
    """

    check: Object
    media_type: Literal["application/json", "multipart/form-data"] = "application/json"
    most_bytes: int = 64 * _MEGABYTE
    canonical: Canonical | None = None


def json_form(
    fields: Mapping[str, Shape], *, canonical: Canonical | None = None
) -> Form:
    """Return a form of a JSON object with these fields."""
    return Form(check=Object(fields=fields), canonical=canonical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A request body as it was read.

    Attributes:
        body: Its fields; a field of files has a list of `Part`. Empty if unreadable.
        record: The body for people and comparisons, as JSON where it could be read:
            images by size and digest, a form as the list of its parts in order.
        complaint: What is wrong with it; None for a right one.
    """

    body: Mapping[str, Any] = field(default_factory=dict)
    record: str = ""
    complaint: Refusal | None = None


async def read_body(request: Request, most_bytes: int) -> bytes:
    """Return the body of a request.

    Raises:
        Refusal: It is larger than allowed; it was read to its end, so that the reply
            finds somebody who listens.
    """
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most_bytes:
            body += chunk
    if size > most_bytes:
        limit = most_bytes // _MEGABYTE
        raise Refusal(Reason.TOO_LARGE, f"The body is larger than {limit} MB")
    return bytes(body)


def read_key(request: Request, header: str = "authorization") -> str:
    """Return the key; any is right that does not contain `wrong`.

    Args:
        request: What arrived.
        header: Where the key stands: as a bearer key in `authorization`, alone in any
            other header. `authorization Key` names another scheme than Bearer.

    Raises:
        Refusal: It is missing or wrong; the detail echoes it, as real ones do.
    """
    name, _, expected = header.partition(" ")
    value = request.headers.get(name, "")
    scheme, _, key = value.partition(" ")
    if name != "authorization":
        scheme, key = "bearer", value
    is_right = scheme.lower() == (expected or "bearer").lower()
    if not is_right or not key.strip() or "wrong" in key:
        raise Refusal(Reason.WRONG_KEY, key.strip() or value)
    return key.strip()


def read_sheet(form: Form, content_type: str, raw: bytes) -> Sheet:
    """Read a body and judge it; slow for large ones, so it belongs in a thread."""
    if form.media_type == "multipart/form-data":
        return _read_multipart(form, content_type, raw)
    return _read_json(form, content_type, raw)


def _read_json(form: Form, content_type: str, raw: bytes) -> Sheet:
    try:
        body = parse_json(raw)
    except ValueError as error:
        complaint = Refusal(Reason.BAD_REQUEST, f"Invalid JSON: {error}")
        return Sheet(record=raw.decode("utf-8", "replace"), complaint=complaint)
    record = json.dumps(_described(body), ensure_ascii=False)
    if content_type.partition(";")[0].strip().lower() != "application/json":
        problem = f"Content-Type must be JSON, not {content_type!r}"
        return Sheet(record=record, complaint=Refusal(Reason.BAD_REQUEST, problem))
    if not isinstance(body, dict):
        problem = "The body must be a JSON object"
        return Sheet(record=record, complaint=Refusal(Reason.BAD_REQUEST, problem))
    return _judged(form, body, record, [])


def _read_multipart(form: Form, content_type: str, raw: bytes) -> Sheet:
    try:
        parts = read_form(content_type, raw)
    except ValueError as error:
        digest = hashlib.sha256(raw).hexdigest()
        return Sheet(
            record=f"unreadable: {len(raw)} bytes, sha256 {digest}",
            complaint=Refusal(Reason.BAD_REQUEST, f"Invalid form: {error}"),
        )
    body: dict[str, Any] = {}
    problems = []
    for name, value in parts:
        if isinstance(form.check.fields.get(name), Files):
            body.setdefault(name, []).append(value)
        elif name in body:
            problems.append(f"'{name}': stands twice")
        else:
            body[name] = value
    record = json.dumps([_part_record(*part) for part in parts], ensure_ascii=False)
    return _judged(form, body, record, problems)


def _judged(
    form: Form, body: Mapping[str, Any], record: str, problems: list[str]
) -> Sheet:
    """Return a body in its canonical spelling, with all that is wrong with it."""
    if form.canonical is not None:
        body, spelling = form.canonical(form.check, body)
        problems = [*problems, *spelling]
    problems = [*problems, *form.check.problems(body, "")]
    complaint = Refusal(Reason.INVALID, "\n".join(problems)) if problems else None
    return Sheet(body=body, record=record, complaint=complaint)


def _part_record(name: str, value: str | Part) -> dict[str, Any]:
    if isinstance(value, Part):
        return {"name": name, **value.described()}
    return {"name": name, "value": value}


def _described(value: Any) -> Any:
    match value:
        case str():
            return shortened(value)
        case list():
            return [_described(item) for item in value]
        case dict():
            return {name: _described(item) for name, item in value.items()}
        case _:
            return value


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
