"""Bodies as services really send them: marks, notices, lines, events, wrong labels."""

from __future__ import annotations

import base64
import json
import random

import pytest

from batchgen.model import Blob, Json
from batchgen.wire.body_decoding import decode_body
from batchgen.wire.body_sinks import ReplySink
from batchgen.wire.lenient_json import MAX_LINES, JsonTooLarge

KEYS = frozenset({"b64_json"})
IMAGE = b"\x89PNG\r\n\x1a\n\0\0" + random.Random(1).randbytes(90)
OTHER = b"\xff\xd8\xff\xe0" + random.Random(2).randbytes(90)
BASE64 = base64.b64encode(IMAGE).decode()
TEXT = json.dumps({"data": [{"b64_json": BASE64}], "note": "é漢"}, ensure_ascii=False)
READ: Json = {"data": [{"b64_json": Blob(IMAGE)}], "note": "é漢"}
EVENT = 'data: {"type": "image_generation.completed", "b64_json": "%s"}'


def event_of(image: bytes) -> Json:
    return {"type": "image_generation.completed", "b64_json": Blob(image)}


def event(image: bytes) -> str:
    return EVENT % base64.b64encode(image).decode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(TEXT.encode(), "text/html", id="labelled-html"),
        pytest.param(TEXT.encode(), "image/png", id="labelled-image"),
        pytest.param(TEXT.encode(), "", id="unlabelled"),
        pytest.param(b"\xef\xbb\xbf" + TEXT.encode(), "text/plain", id="bom"),
        pytest.param(TEXT.encode("utf-16"), "text/plain", id="utf-16"),
        pytest.param(TEXT.encode("utf-16-be"), "", id="utf-16-unmarked"),
        pytest.param(TEXT.encode("utf-32"), "application/json", id="utf-32"),
        pytest.param(f"  \r\n{TEXT}\n".encode(), "", id="blanks"),
        pytest.param(f"{TEXT}<br>done".encode(), "application/json", id="text-behind"),
        pytest.param(f"{TEXT}\0\0".encode(), "text/plain", id="padding-behind"),
        pytest.param(f")]}}',\n{TEXT}".encode(), "application/json", id="guarded"),
        pytest.param(
            f"<br />\n<b>Warning</b>: x [1] in y {{2}}<br />{TEXT}".encode(),
            "text/html",
            id="notice-before",
        ),
    ],
)
def test_json_is_read_however_it_is_labelled_and_whatever_is_around_it(
    body: bytes, content_type: str
) -> None:
    assert decode_body(body, {"content-type": content_type}, KEYS) == READ


@pytest.mark.parametrize(
    ("body", "document"),
    [
        pytest.param(b'{"a": NaN, "b": [-Infinity]}', {"a": None, "b": [None]}),
        pytest.param(b'{"a": "\xff\xc3"}', {"a": "\ufffd\ufffd"}, id="no-letters"),
        pytest.param(b'{"a": "x\xc3', '{"a": "x\ufffd', id="cut"),
        pytest.param(b'{"a": {"b": 1}, "c": ', '{"a": {"b": 1}, "c": ', id="cut-later"),
        pytest.param(b'{"a": 1}\n{"b": 2}\n', [{"a": 1}, {"b": 2}], id="lines"),
        pytest.param(
            b'\x1e{"a": 1}\n\x1e{"a": 2}', [{"a": 1}, {"a": 2}], id="sequence"
        ),
        pytest.param(
            b'{"a": 1e9999999, "b": [-1E-9999999], "c": %b}' % (b"9" * 5000),
            {"a": None, "b": [None], "c": None},
            id="numbers-without-an-end",
        ),
        pytest.param(b"[{oops", "[{oops", id="none"),
        pytest.param(
            b'<html><script>{"data": 1}</script>',
            '<html><script>{"data": 1}</script>',
            id="page",
        ),
        pytest.param(b"see {x} and {y}", "see {x} and {y}", id="words"),
        pytest.param(b'upstream said {"a": 1}', 'upstream said {"a": 1}', id="quote"),
    ],
)
def test_what_is_nearly_json_is_read_as_far_as_that_is_safe(
    body: bytes, document: Json
) -> None:
    headers = {"content-type": "application/json" if body[:1] == b"\x1e" else ""}

    assert decode_body(body, headers, KEYS) == document


@pytest.mark.parametrize(
    ("text", "document"),
    [
        pytest.param(f"{event(IMAGE)}\n\ndata: [DONE]\n\n", event_of(IMAGE), id="one"),
        pytest.param(
            f": wait\n\nevent: partial\n{event(OTHER)}\n\n{event(IMAGE)}\n\n",
            [event_of(OTHER), event_of(IMAGE)],
            id="partial-first",
        ),
        pytest.param(
            f"{event(OTHER)}\r\n\r\n{event(IMAGE)}",
            [event_of(OTHER), event_of(IMAGE)],
            id="carriage-returns",
        ),
        pytest.param(
            f"{event(OTHER)}\n{event(IMAGE)}\n",
            [event_of(OTHER), event_of(IMAGE)],
            id="no-empty-lines",
        ),
        pytest.param(
            'data: {"a":\ndata:  1}\n\n', {"a": 1}, id="one-document-on-two-lines"
        ),
        pytest.param(
            'event: error\ndata: {"code": 429}\n\n',
            {"error": {"code": 429}},
            id="error",
        ),
        pytest.param(
            "event: error\ndata: busy\n\n", {"error": "busy"}, id="error-text"
        ),
        pytest.param(
            'event: error\ndata: {"error": {"code": 1}}\n\n',
            {"error": {"code": 1}},
            id="error-object",
        ),
    ],
)
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
def test_events_are_documents(text: str, document: Json, content_type: str) -> None:
    assert decode_body(text.encode(), {"content-type": content_type}, KEYS) == document


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BASE64.encode(), id="base64"),
        pytest.param(base64.encodebytes(IMAGE), id="lines"),
        pytest.param(f'"{BASE64}"'.encode(), id="quoted"),
        pytest.param(f"data:image/png;base64,{BASE64}".encode(), id="data-uri"),
    ],
)
@pytest.mark.parametrize("content_type", ["", "image/png", "text/plain"])
def test_the_base64_of_an_image_is_that_image(body: bytes, content_type: str) -> None:
    assert decode_body(body, {"content-type": content_type}, KEYS) == Blob(IMAGE)


LARGE = b"\x89PNG\r\n\x1a\n\0\0" + random.Random(3).randbytes(150_000)
IN_LARGE = base64.b64encode(LARGE).decode()


@pytest.mark.parametrize(
    ("text", "document"),
    [
        pytest.param(event(LARGE) + "\n\n", event_of(LARGE), id="event"),
        pytest.param(
            f'{{"data": [{{"url": "data:image/png;base64,{IN_LARGE}"}}]}}',
            {"data": [{"url": Blob(LARGE)}]},
            id="data-uri-under-another-key",
        ),
        pytest.param(
            f'{{"b64_json": "data:image/png;base64,{IN_LARGE}"}}',
            {"b64_json": Blob(LARGE)},
            id="data-uri",
        ),
        pytest.param(
            f'{{"text": "![x](data:image/png;base64,{IN_LARGE})"}}',
            {"text": f"![x](data:image/png;base64,{IN_LARGE})"},
            id="data-uri-in-a-text",
        ),
        pytest.param(
            f'{{"a": "\\": \\"data:image/png;base64,{IN_LARGE}"}}',
            {"a": f'": "data:image/png;base64,{IN_LARGE}'},
            id="data-uri-in-a-quote",
        ),
    ],
)
@pytest.mark.parametrize("size", [1_000, 64 * 1024, 10_000_000])
def test_a_large_body_is_read_as_it_comes_as_if_it_came_at_once(
    text: str, document: Json, size: int
) -> None:
    body, headers = text.encode(), {"content-type": ""}
    sink = ReplySink(headers, KEYS)
    for start in range(0, len(body), size):
        sink.feed(body[start : start + size])

    assert sink.document() == document == decode_body(body, headers, KEYS)


def test_a_data_uri_is_decoded_while_it_comes() -> None:
    sink = ReplySink({}, KEYS)
    body = f'{{"data": [{{"url": "data:image/png;base64,{IN_LARGE}"}}]}}'.encode()
    for start in range(0, len(body), 64 * 1024):
        sink.feed(body[start : start + 64 * 1024])

    assert sink.parsed_bytes < 200


@pytest.mark.parametrize(
    ("body", "document"),
    [(b'"{\\"a\\": 1}"', {"a": 1}), (b'"[a text]"', "[a text]")],
    ids=["json", "text"],
)
def test_json_in_a_text_of_json_is_read(body: bytes, document: Json) -> None:
    assert decode_body(body, {"content-type": "application/json"}, KEYS) == document


def test_events_of_millions_of_empty_lines_are_no_burden() -> None:
    body = b'data: {"a": 1}\n\n' + b"\n" * (MAX_LINES + 1)

    with pytest.raises(JsonTooLarge):
        decode_body(body, {"content-type": "text/event-stream"}, KEYS)
