"""Read JSON as services really send it: with a mark, a notice or more behind it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from types import MappingProxyType

import httpx

from batchgen.decoding import decode_base64
from batchgen.model import Blob, Json
from batchgen.wire.sieve import DATA_URI

MOST_VALUES = 100_000
"""In a JSON document: each takes a hundred times the byte that it needs there."""

MOST_LINES = 1_000_000
"""In a stream of events; base64 that is wrapped has 400,000."""

NOTHING_TAKEN: Mapping[str, Blob] = MappingProxyType({})

# A number with more is null: as an integer it might take all memory to write out.
_MOST_DIGITS = 100
_MOST_STARTS = 20  # places in a text where JSON is looked for
_DATA_URI = re.compile(DATA_URI)
_BETWEEN = re.compile(r"[\s,\x1e]*")  # JSON lines, and JSON text sequences (RFC 7464)
# What a reply has that is worth looking for behind a server's notice.
_WORTH_IT = frozenset(
    {
        *("data", "candidates", "choices", "images", "image", "output", "result"),
        *("results", "url", "b64_json", "id", "task_id"),
    }
)


class Unreadable(httpx.DecodingError):
    """The JSON is built to be a burden; nobody's reply looks like that."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """The text of a body, and what was taken out of it as it came.

    Attributes:
        text: As it came, but for the words that stand for what was taken.
        taken: What these words stand for.
    """

    text: bytes
    taken: Mapping[str, Blob] = field(default_factory=lambda: NOTHING_TAKEN)


def read_json(
    body: bytes, blob_keys: frozenset[str], taken: Mapping[str, Blob] = NOTHING_TAKEN
) -> Json:
    """Return a JSON document, its base64 values as Blobs.

    Line breaks within texts are let pass, as some write them into base64. NaN and
    Infinity are null, and so are numbers beyond 100 digits; letters that are none in
    UTF-8 are replaced: none of them stands in an image.

    Args:
        body: The document.
        blob_keys: Whose values are base64.
        taken: Those that are decoded already, by the words that stand for them.

    Raises:
        ValueError: it is not JSON.
        Unreadable: it is nested too deeply, or has too many values.
    """
    text = text_in(body)
    decoder = decoder_of(blob_keys, taken)
    try:
        document: Json = decoder.decode(text)
        if isinstance(document, str) and document.lstrip()[:1] in {"{", "["}:
            document = _within(document, decoder)
    except RecursionError:
        raise Unreadable("the JSON is nested too deeply") from None
    return document


def _within(text: str, decoder: json.JSONDecoder) -> Json:
    """Return the document that a document of one text holds, if it holds one."""
    try:
        document: Json = decoder.decode(text)
    except ValueError:
        return text
    return document


def text_in(body: bytes) -> str:
    """Return a body as text, in the encoding that its first bytes show.

    Raises:
        Unreadable: as JSON it would have too many values.
    """
    may_have = len(body) > MOST_VALUES  # each takes a byte at least
    if may_have and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise Unreadable(f"the JSON has more than {MOST_VALUES:,} values")
    encoding = json.detect_encoding(body)
    try:
        return body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return body.decode(encoding, "replace")


def read_among(text: str, decoder: json.JSONDecoder, *, is_claimed: bool) -> Json:
    """Return the JSON in a text with something else before or behind it.

    Several documents, one behind the other, are a list.

    Args:
        text: All that came.
        decoder: Reads one document.
        is_claimed: Whether the headers say that it is JSON. If not, what stands behind
            something else must look like a reply.

    Raises:
        ValueError: there is none.
        Unreadable: it is nested too deeply.
    """
    try:
        documents = list(_documents(text, decoder, is_claimed=is_claimed))
    except RecursionError:
        raise Unreadable("the JSON is nested too deeply") from None
    if not documents:
        raise ValueError("no JSON in it")
    return documents[0] if len(documents) == 1 else documents


def _documents(
    text: str, decoder: json.JSONDecoder, *, is_claimed: bool
) -> Iterator[Json]:
    end = 0
    for start in _starts_of(text):
        try:
            document, end = decoder.raw_decode(text, start)
        except ValueError:
            continue
        is_first = not text[:start].strip()
        names = document.keys() if isinstance(document, dict) else set()
        if is_first or names & _WORTH_IT or (is_claimed and names):
            yield document
            break
        end = 0
    while end:
        start = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
        if text[start : start + 1] not in {"{", "["}:
            return
        try:
            document, end = decoder.raw_decode(text, start)
        except ValueError:
            return
        yield document


def _starts_of(text: str) -> Iterator[int]:
    """Yield places at which a document may begin."""
    start = text.lstrip()
    if start[:1] in {"{", "["}:
        # What stands within a document that is cut is no document of its own.
        yield len(text) - len(start)
    elif not start[:500].lower().startswith(("<html", "<!doctype")):
        braces = re.finditer(r"{", text)
        yield from (
            brace.start() for _, brace in zip(range(_MOST_STARTS), braces, strict=False)
        )


_STARTS_EVENTS = re.compile(
    rb"\s*(?:(?::|event:|id:|retry:)[^\n]{0,500}\n\s*)*"
    rb"(?:data:[ ]?(?:[\[{\"]|$)|event:[^\n]{0,500}\n[ ]*data:)"
)


def starts_events(start: bytes) -> bool:
    """Return whether a body begins as a stream of events does."""
    return _STARTS_EVENTS.match(start[:4096]) is not None


def read_events(text: str, decoder: json.JSONDecoder) -> Json:
    """Return the documents of a stream of events (HTML standard, server-sent events).

    Raises:
        ValueError: there is none.
        Unreadable: it has too many lines.
    """
    if text.count("\n") > MOST_LINES:
        raise Unreadable(f"the events have more than {MOST_LINES:,} lines")
    documents = list(_of_events(text, decoder))
    if not documents:
        raise ValueError("no JSON in the events")
    return documents[0] if len(documents) == 1 else documents


def _of_events(text: str, decoder: json.JSONDecoder) -> Iterator[Json]:
    # Line by line: a body of empty lines must not become millions of texts.
    name, data = "", []
    for line in io.StringIO(text, newline=None):
        field, _, value = line.rstrip("\n").partition(":")
        if field.strip() == "event":
            name = value.strip()
        elif field.strip() == "data":
            data.append(value.removeprefix(" "))
        elif line == "\n":
            yield from _of_event(name, data, decoder)
            name, data = "", []
    yield from _of_event(name, data, decoder)


def _of_event(
    name: str, data: Sequence[str], decoder: json.JSONDecoder
) -> Iterator[Json]:
    if not data:
        return
    # Some leave out the empty line between events.
    whole = "\n".join(data)
    for part in [whole] if _reads(whole, decoder) else data:
        if (document := _event(name, part, decoder)) is not None:
            yield document


def _reads(text: str, decoder: json.JSONDecoder) -> bool:
    try:
        decoder.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _event(name: str, data: str, decoder: json.JSONDecoder) -> Json:
    is_error = name == "error"
    try:
        document: Json = decoder.decode(data)
    except (ValueError, RecursionError):
        return {"error": data} if is_error and data else None
    if is_error and not (isinstance(document, dict) and document.get("error")):
        return {"error": document}
    return document if isinstance(document, dict | list) else None


def decoder_of(
    blob_keys: frozenset[str], taken: Mapping[str, Blob] = NOTHING_TAKEN
) -> json.JSONDecoder:
    """Return what reads JSON; see `read_json`."""
    return _decoder(blob_keys, taken) if taken else _usual_decoder(blob_keys)


def _decoder(
    blob_keys: frozenset[str], taken: Mapping[str, Blob] = NOTHING_TAKEN
) -> json.JSONDecoder:
    def lift(item: dict[str, Json]) -> dict[str, Json]:
        for key, value in item.items():
            if isinstance(value, str):
                item[key] = _lifted(value, taken, is_base64=key in blob_keys)
        return item

    return json.JSONDecoder(
        object_hook=lift if blob_keys else None,
        parse_int=_as_int,
        parse_float=_as_decimal,
        parse_constant=_as_null,
        strict=False,
    )


_usual_decoder = cache(_decoder)


def _lifted(value: str, taken: Mapping[str, Blob], *, is_base64: bool) -> str | Blob:
    if match := _DATA_URI.match(value):
        payload = value[match.end() :]
        return taken.get(payload) or decode_base64(value) or value
    if is_base64:
        return taken.get(value) or decode_base64(value) or value
    return value


def _as_null(_name: str) -> None:
    return None


def _as_int(text: str) -> int | None:
    return int(text) if len(text) <= _MOST_DIGITS else None


def _as_decimal(text: str) -> Decimal | None:
    number = Decimal(text)
    return number if abs(number.adjusted()) <= _MOST_DIGITS else None
