"""However a reply is cut into chunks, it is read as if it had come in one piece."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping, Sequence

import pybase64
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchgen.model import Blob
from batchgen.wire.base64_stream import (
    MAX_DECODED_VALUES,
    PARSED_WEIGHT,
    Base64StreamDecoder,
)
from batchgen.wire.body_decoding import decode_body
from batchgen.wire.body_sinks import ReplySink
from batchgen.wire.lenient_json import read_json

KEYS = frozenset({"b64_json", "data"})
HEADERS = {"content-type": "application/json"}
LARGE = random.Random(1).randbytes(200_000)
PIECE = 64 * 1024


def sift(body: bytes, cuts: Sequence[int] = ()) -> Base64StreamDecoder:
    decoder = Base64StreamDecoder(KEYS)
    for start, end in zip((0, *cuts), (*cuts, len(body)), strict=True):
        decoder.feed(body[start:end])
    return decoder


def read_or_error(body: bytes, decoded: Mapping[str, Blob]) -> object:
    try:
        return read_json(body, KEYS, decoded)
    except ValueError:
        return ValueError


@st.composite
def base64_texts(draw: st.DrawFn) -> str:
    """Draw base64 as well-meaning and as careless peers write it, as JSON text."""
    text = base64.b64encode(draw(st.binary(max_size=60))).decode()
    form = draw(st.sampled_from(["plain"] * 4 + ["bare", "more", "uri", "urlsafe"]))
    if form == "bare":
        text = text.rstrip("=")
    elif form == "more":
        text += draw(st.sampled_from(["=", "==", "*", "AA==", "A", "\\", '\\"', " "]))
    elif form == "uri":
        text = f"data:image/png;base64,{text}"
    elif form == "urlsafe":
        text = text.replace("+", "-").replace("/", "_")
    for byte, escapes in draw(
        st.sampled_from(
            [
                {},
                {"/": "\\/"},
                {"+": "\\u002B", "=": "\\u003d"},
                {"A": "\\u0041", "Q": "\\u0051"},
                {"A": "A\\n"},
                {"A": "A\n", "Q": " Q"},
                {"A": "\\"},
                {"A": "é"},
                {"A": "\\u12"},
            ]
        )
    ).items():
        text = text.replace(byte, escapes)
    return text


def spaces() -> st.SearchStrategy[str]:
    return st.sampled_from(["", "", " ", "\n\t", " " * 300])


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Draw JSON with base64 somewhere in it; some of it is none, or not whole."""
    members: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        name = draw(
            st.sampled_from(
                ["data", "b64_json", "other", 'x\\"data', "d\\u0061ta", "da", "\\\\"]
            )
        )
        value = draw(
            st.one_of(
                base64_texts().map(lambda text: f'"{text}"'),
                base64_texts().map(lambda text: f'{{"data": "{text}", "n": 0.10}}'),
                base64_texts().map(lambda text: f'["{text}", "data"]'),
                st.text(max_size=12).map(json.dumps),
                st.sampled_from(
                    ["null", "1.50", '"\\"data\\": \\"AAAA\\""', "{", "NaN"]
                ),
            )
        )
        members.append(f'"{name}"{draw(spaces())}:{draw(spaces())}{value}')
    text = "{" + f",{draw(spaces())}".join(members) + "}"
    cut = draw(st.sampled_from([None] * 6 + [1, 5, 20]))
    start = draw(st.sampled_from([""] * 6 + ["\ufeff", "\n"]))
    return (start + text).encode()[: None if cut is None else -cut]


@pytest.mark.slow
@given(body=documents(), data=st.data())
@example(body=b'{"data":"AAAA=AAA","data":"AAAA"}', data=None)
@example(body=b'{"data":"AAE=","b64_json":"AA=="}', data=None)
@example(body=b'{"data":"AA==AAAA"}', data=None)
@example(body=b'{"data":"AAAA\\u00"}', data=None)
@example(body=b'{"data":"A\\u0022"}', data=None)
def test_any_document_in_any_chunks_is_read_as_a_parser_reads_it(
    body: bytes, data: st.DataObject | None
) -> None:
    cuts: Sequence[int] = range(1, len(body))
    if data is not None:
        places = st.lists(st.integers(0, len(body)), max_size=8)
        cuts = sorted(data.draw(places))

    decoder = sift(body, cuts)

    plain = read_or_error(body, {})
    assert read_or_error(decoder.text(), decoder.decoded) == plain


IMAGE = b"\xfb\xff\xbe\0"
IN_BASE64 = base64.b64encode(IMAGE)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"data" : "%b"}' % IN_BASE64, id="plain"),
        pytest.param(
            b'{"data":"%b"}'
            % IN_BASE64.replace(b"/", b"\\/")
            .replace(b"+", b"\\u002B")
            .replace(b"=", b"\\u003d"),
            id="escaped",
        ),
        pytest.param(
            b'{"a": "%b", "data": "*", "b64_json": "%b"}' % (b"a " * 40, IN_BASE64),
            id="after-another",
        ),
    ],
)
def test_wherever_a_reply_is_cut_its_image_is_taken_out(body: bytes) -> None:
    every = range(1, len(body))
    for cuts in (every, *([cut] for cut in every)):
        assert [*sift(body, cuts).decoded.values()] == [Blob(IMAGE)]


def large(text: bytes, *, before: bytes = b"", after: bytes = b"") -> bytes:
    return b'{%b"data": "%b"%b}' % (before, text, after)


ENCODED = base64.b64encode(LARGE)
LONG_TEXT = b'"prompt": "%b", ' % (b"word " * 20_000)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(large(ENCODED), id="plain"),
        pytest.param(large(ENCODED, before=LONG_TEXT), id="late"),
        pytest.param(large(ENCODED, after=b', "n": 0.1'), id="early"),
        pytest.param(large(ENCODED.replace(b"/", b"\\/")), id="slashes"),
        pytest.param(large(ENCODED.replace(b"+", b"\\u002B")), id="dotnet"),
        pytest.param(large(base64.encodebytes(LARGE)), id="line-breaks"),
        pytest.param(
            large(base64.encodebytes(LARGE).replace(b"\n", b"\\n")), id="escaped-breaks"
        ),
        pytest.param(large(b"data:image/png;base64," + ENCODED), id="data-uri"),
        pytest.param(large(ENCODED.rstrip(b"=")), id="no-padding"),
        pytest.param(large(ENCODED + b"="), id="wrong-padding"),
        pytest.param(large(base64.urlsafe_b64encode(LARGE)), id="url-safe"),
        pytest.param(large(ENCODED[:150_000] + b"*" + ENCODED), id="damaged"),
        pytest.param(large(ENCODED)[:-2], id="cut"),
        pytest.param(large(ENCODED)[:-1], id="cut-after-the-quote"),
        pytest.param(b"[" + large(ENCODED) + b"," + large(ENCODED) + b"]", id="two"),
        pytest.param(b"\xef\xbb\xbf" + large(ENCODED), id="byte-order-mark"),
        pytest.param(large(ENCODED).decode().encode("utf-16"), id="utf-16"),
        pytest.param(
            f'["{large(ENCODED).decode("utf-16-le")}"]'.encode("utf-16"),
            id="looks-like-it-in-utf-16",
        ),
        pytest.param(b"<html>" + large(ENCODED), id="page"),
        pytest.param(b"GIF8" + large(ENCODED), id="image"),
    ],
)
@pytest.mark.parametrize("size", [1_000, PIECE, 10_000_000])
def test_a_large_reply_is_read_as_a_small_one(body: bytes, size: int) -> None:
    sink = ReplySink(HEADERS, KEYS)
    for start in range(0, len(body), size):
        sink.feed(body[start : start + size])

    assert sink.document() == decode_body(body, HEADERS, KEYS)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ENCODED, id="plain"),
        pytest.param(ENCODED.replace(b"/", b"\\/"), id="slashes"),
        pytest.param(ENCODED.replace(b"+", b"\\u002B"), id="dotnet"),
        pytest.param(ENCODED.rstrip(b"="), id="no-padding"),
    ],
)
def test_an_image_is_decoded_as_it_comes_and_needs_no_more_than_itself(
    text: bytes,
) -> None:
    sink = ReplySink(HEADERS, KEYS)
    needed: list[int] = []
    body = large(text, after=b', "cost": 1')
    for start in range(0, len(body), PIECE):
        sink.feed(body[start : start + PIECE])
        needed.append(sink.required_bytes)

    assert sink.parsed_bytes < 100
    assert max(needed) < len(LARGE) + PARSED_WEIGHT * PIECE * 2
    assert needed[-1] == len(LARGE) + PARSED_WEIGHT * sink.parsed_bytes
    assert sink.estimate_bytes(len(body)) == pytest.approx(len(LARGE), rel=0.1)


def test_what_turns_out_to_be_no_base64_needs_what_a_parser_takes() -> None:
    body = large(ENCODED + b"*" + ENCODED)

    decoder = sift(body, range(PIECE, len(body), PIECE))

    assert decoder.text_bytes == pytest.approx(len(body), rel=0.01)
    assert decoder.required_bytes == PARSED_WEIGHT * decoder.text_bytes
    assert decoder.decoded == {}


def test_more_values_than_any_reply_has_are_left_to_the_parser() -> None:
    few = [{"data": pybase64.b64encode(bytes([byte])).decode()} for byte in range(250)]
    body = json.dumps(few).encode()

    decoder = sift(body)

    assert len(decoder.decoded) == MAX_DECODED_VALUES
    assert read_json(decoder.text(), KEYS, decoder.decoded) == [
        {"data": Blob(bytes([byte]))} for byte in range(250)
    ]
