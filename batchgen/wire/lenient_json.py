"""Read JSON as services really send it: with text before, between or after it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cache
from itertools import islice
from types import MappingProxyType

import httpx

from batchgen.model import Blob, Json
from batchgen.providers._decoding import decode_base64
from batchgen.wire.base64_stream import DATA_URI

MAX_VALUES = 100_000
"""In a JSON document: a value of one byte there takes a hundred bytes in memory."""

MAX_LINES = 1_000_000
"""In a stream of events; an image as wrapped base64 has 400,000."""

NOTHING_DECODED: Mapping[str, Blob] = MappingProxyType({})

# A longer number becomes null: as an integer it could take all memory to print.
_MAX_DIGITS = 100
_MAX_STARTS = 20  # positions in a text at which JSON is looked for
_DATA_URI = re.compile(DATA_URI)
# Of JSON lines, and of JSON text sequences (RFC 7464).
_SEPARATORS = re.compile(r"[\s,\x1e]*")
# Keys by which a reply is recognized after other text, such as a server's notice.
_REPLY_KEYS = frozenset(
    {
        *("data", "candidates", "choices", "images", "image", "output", "result"),
        *("results", "url", "b64_json", "id", "task_id"),
    }
)


class JsonTooLarge(httpx.DecodingError):
    """The JSON is too large to parse safely; no real reply looks like that."""


def read_json(
    body: bytes,
    blob_keys: frozenset[str],
    decoded: Mapping[str, Blob] = NOTHING_DECODED,
) -> Json:
    """Return a JSON document with its base64 values as Blobs.

    Line breaks within texts are allowed: some services wrap base64. NaN, Infinity and
    numbers of more than 100 digits become null; bytes that are not UTF-8 are replaced.
    None of this changes an image. Values under `blob_keys` are base64, or placeholders
    for `decoded` values.

    Raises:
        ValueError: the body is not JSON.
        JsonTooLarge: the JSON is nested too deeply, or has too many values.
    """
    text = decode_text(body)
    decoder = decoder_of(blob_keys, decoded)
    try:
        document: Json = decoder.decode(text)
        if isinstance(document, str) and document.lstrip()[:1] in {"{", "["}:
            with suppress(ValueError):  # then the text itself is meant
                document = decoder.decode(document)
    except RecursionError:
        raise JsonTooLarge("the JSON is nested too deeply") from None
    return document


def decode_text(body: bytes) -> str:
    """Return a body as text, in the encoding that its first bytes show.

    Raises:
        JsonTooLarge: as JSON the text would have too many values.
    """
    is_large = len(body) > MAX_VALUES  # each value takes a byte at least
    if is_large and sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise JsonTooLarge(f"the JSON has more than {MAX_VALUES:,} values")
    encoding = json.detect_encoding(body)
    try:
        return body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return body.decode(encoding, "replace")


def read_embedded_json(
    text: str, decoder: json.JSONDecoder, *, is_declared: bool
) -> Json:
    """Return the JSON in a text that has other text before or after it.

    Several documents, one after the other, become a list. If the headers declare no
    JSON, then JSON after other text counts only if it looks like a reply.

    Raises:
        ValueError: there is no JSON in the text.
        JsonTooLarge: the JSON is nested too deeply.
    """
    try:
        documents = list(_documents(text, decoder, is_declared=is_declared))
    except RecursionError:
        raise JsonTooLarge("the JSON is nested too deeply") from None
    if not documents:
        raise ValueError("no JSON in it")
    return documents[0] if len(documents) == 1 else documents


def _documents(
    text: str, decoder: json.JSONDecoder, *, is_declared: bool
) -> Iterator[Json]:
    for start in _possible_starts(text):
        try:
            document, end = decoder.raw_decode(text, start)
        except ValueError:
            continue
        is_first = not text[:start].strip()
        keys = document.keys() if isinstance(document, dict) else set()
        if is_first or keys & _REPLY_KEYS or (is_declared and keys):
            yield document
            yield from _following_documents(text, end, decoder)
            return


def _following_documents(
    text: str, end: int, decoder: json.JSONDecoder
) -> Iterator[Json]:
    """Yield the documents that follow one another from a position on."""
    while True:
        start = _SEPARATORS.match(text, end).end()  # type: ignore[union-attr]
        if text[start : start + 1] not in {"{", "["}:
            return
        try:
            document, end = decoder.raw_decode(text, start)
        except ValueError:
            return
        yield document


def _possible_starts(text: str) -> Iterator[int]:
    """Yield positions at which a document may begin."""
    stripped = text.lstrip()
    if stripped[:1] in {"{", "["}:
        # Only one: a part of a document that is cut off is not a document itself.
        yield len(text) - len(stripped)
    elif not stripped[:500].lower().startswith(("<html", "<!doctype")):
        braces = re.finditer(r"{", text)
        yield from (brace.start() for brace in islice(braces, _MAX_STARTS))


_STARTS_EVENTS = re.compile(
    rb"\s*(?:(?::|event:|id:|retry:)[^\n]{0,500}\n\s*)*"
    rb"(?:data:[ ]?(?:[\[{\"]|$)|event:[^\n]{0,500}\n[ ]*data:)"
)


def starts_events(start: bytes) -> bool:
    """Return whether a body begins like a stream of events."""
    return _STARTS_EVENTS.match(start[:4096]) is not None


def read_events(text: str, decoder: json.JSONDecoder) -> Json:
    """Return the documents of a stream of events (HTML standard, server-sent events).

    Raises:
        ValueError: there is no document.
        JsonTooLarge: the stream has too many lines.
    """
    if text.count("\n") > MAX_LINES:
        raise JsonTooLarge(f"the events have more than {MAX_LINES:,} lines")
    documents = list(_documents_of_events(text, decoder))
    if not documents:
        raise ValueError("no JSON in the events")
    return documents[0] if len(documents) == 1 else documents


def _documents_of_events(text: str, decoder: json.JSONDecoder) -> Iterator[Json]:
    # Line by line: a body of empty lines must not become a list of millions of texts.
    name, data = "", []
    for line in io.StringIO(text, newline=None):
        field, _, value = line.rstrip("\n").partition(":")
        if field.strip() == "event":
            name = value.strip()
        elif field.strip() == "data":
            data.append(value.removeprefix(" "))
        elif line == "\n":
            yield from _documents_of_event(name, data, decoder)
            name, data = "", []
    yield from _documents_of_event(name, data, decoder)


def _documents_of_event(
    name: str, data: Sequence[str], decoder: json.JSONDecoder
) -> Iterator[Json]:
    if not data:
        return
    # Some services leave out the empty line between events.
    joined = "\n".join(data)
    for part in [joined] if _is_json(joined, decoder) else data:
        if (document := _event_document(name, part, decoder)) is not None:
            yield document


def _is_json(text: str, decoder: json.JSONDecoder) -> bool:
    try:
        decoder.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _event_document(name: str, data: str, decoder: json.JSONDecoder) -> Json:
    is_error = name == "error"
    try:
        document: Json = decoder.decode(data)
    except (ValueError, RecursionError):
        return {"error": data} if is_error and data else None
    if is_error and not (isinstance(document, dict) and document.get("error")):
        return {"error": document}
    return document if isinstance(document, dict | list) else None


def decoder_of(
    blob_keys: frozenset[str], decoded: Mapping[str, Blob] = NOTHING_DECODED
) -> json.JSONDecoder:
    """Return a decoder with the rules of `read_json`."""
    return _decoder(blob_keys, decoded) if decoded else _usual_decoder(blob_keys)


def _decoder(
    blob_keys: frozenset[str], decoded: Mapping[str, Blob] = NOTHING_DECODED
) -> json.JSONDecoder:
    def decode_values(item: dict[str, Json]) -> dict[str, Json]:
        for key, value in item.items():
            if isinstance(value, str):
                item[key] = _decode_value(value, decoded, is_base64=key in blob_keys)
        return item

    return json.JSONDecoder(
        object_hook=decode_values if blob_keys else None,
        parse_int=_as_int,
        parse_float=_as_decimal,
        parse_constant=lambda _: None,
        strict=False,
    )


_usual_decoder = cache(_decoder)


def _decode_value(
    value: str, decoded: Mapping[str, Blob], *, is_base64: bool
) -> str | Blob:
    if match := _DATA_URI.match(value):
        payload = value[match.end() :]
        return decoded.get(payload) or decode_base64(value) or value
    if is_base64:
        return decoded.get(value) or decode_base64(value) or value
    return value


def _as_int(text: str) -> int | None:
    return int(text) if len(text) <= _MAX_DIGITS else None


def _as_decimal(text: str) -> Decimal | None:
    number = Decimal(text)
    return number if abs(number.adjusted()) <= _MAX_DIGITS else None
