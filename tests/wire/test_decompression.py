"""Bodies that came compressed unasked: unfolded, or judged by their bytes."""

from __future__ import annotations

import base64
import gzip
import json
import random
import tracemalloc
import zlib
from collections.abc import Callable, Sequence

import brotli
import httpx
import pytest
from backports import zstd

from batchgen.model import Blob, Call
from batchgen.wire import WireLimits
from batchgen.wire.decompression import PIECE_BYTES, Decompressor
from batchgen.wire.sender import Wire
from tests.wire.server import ScriptedServer, answer, reply

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(3_000)
DOCUMENT = {"data": [{"b64_json": base64.b64encode(PNG).decode()}]}
BODY = json.dumps(DOCUMENT).encode()
# Its brotli begins with a bracket, as a list in JSON does.
LONG = json.dumps([{"n": number} for number in range(9_000)]).encode()


def raw_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(data) + squeeze.flush()


def twice(data: bytes) -> bytes:
    folded: bytes = brotli.compress(gzip.compress(data))
    return folded


ENCODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip-by-its-old-name": ("X-GZip", gzip.compress),
    "gzip-members": (
        "gzip",
        lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]),
    ),
    "gzip-padded": ("gzip", lambda data: gzip.compress(data) + b"\0" * 9),
    "gzip-unnamed": ("", gzip.compress),
    "gzip-under-another-name": ("utf-8", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate-raw": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
    "two": ("gzip, br", twice),
    "plain-utf-8": ("utf-8", bytes),
    "plain-none": ("none", bytes),
    "plain-base64": ("base64", bytes),
    "plain-aws-chunked": ("aws-chunked", bytes),
    "plain-gzip": ("gzip", bytes),
    "plain-deflate": ("deflate", bytes),
    "plain-br": ("br", bytes),
    "plain-zstd": ("zstd", bytes),
}


def unfold(data: bytes, name: str, cuts: Sequence[int] = ()) -> bytes:
    decompressor = Decompressor({"content-encoding": name.lower()})
    pieces: list[bytes] = []
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        pieces += decompressor.feed(data[start:end])
    return b"".join((*pieces, *decompressor.end()))


@pytest.mark.parametrize("case", ENCODINGS)
@pytest.mark.parametrize("body", [BODY, PNG, LONG], ids=["json", "image", "long"])
def test_a_body_is_what_it_was_before_it_was_encoded(case: str, body: bytes) -> None:
    name, encode = ENCODINGS[case]
    data = encode(body)

    assert unfold(data, name) == body
    assert unfold(data, name, range(1, len(data), 97)) == body
    assert unfold(data, name, range(1, min(len(data), 40))) == body


@pytest.mark.parametrize("case", ENCODINGS)
async def test_a_purchase_is_read_whatever_encoding_its_reply_names(
    case: str, wire: Wire
) -> None:
    name, encode = ENCODINGS[case]
    headers = (f"content-encoding: {name}",) if name else ()
    with ScriptedServer(answer(reply(encode(BODY), headers=headers))) as server:
        call = Call(
            method="POST", url=server.url, json={}, blob_keys=frozenset({"b64_json"})
        )
        result = await wire.send("acme", call, reply_timeout_s=5)

    assert result.body == {"data": [{"b64_json": Blob(PNG)}]}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param(name, encode(PNG), id=case)
        for case, (name, encode) in ENCODINGS.items()
    ]
    + [
        pytest.param("base64", base64.b64encode(PNG), id="base64-text"),
        pytest.param("", base64.encodebytes(PNG), id="base64-lines"),
        pytest.param(
            "", b"data:image/png;base64," + base64.b64encode(PNG), id="data-uri"
        ),
    ],
)
async def test_an_image_is_downloaded_whatever_encoding_is_named(
    name: str, data: bytes, wire: Wire
) -> None:
    headers = (f"content-encoding: {name}",) if name else ()
    image = reply(data, content_type="image/png", headers=headers)
    with ScriptedServer(answer(image)) as server:
        result = await wire.download("acme", server.url, allow_loopback=True)

    assert result == Blob(PNG)


@pytest.mark.parametrize("body", [b"{", b"x", b"", b"\x1f", b"plain words"])
def test_a_few_plain_bytes_pass_as_they_are(body: bytes) -> None:
    for name in ("", "utf-8", "deflate", "br"):
        if name and body in {b"", b"\x1f"}:
            continue  # of what is named, too little came
        assert unfold(body, name) == body


# Named, since gzip writes the time into its head: each process of the tests would give
# these another name.
@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param("gzip", gzip.compress(BODY)[:-9], id="gzip"),
        pytest.param("gzip", gzip.compress(BODY)[:1], id="gzip-one-byte"),
        pytest.param("gzip", b"", id="gzip-empty"),
        pytest.param("zstd", zstd.compress(BODY)[:-9], id="zstd"),
        pytest.param("br", brotli.compress(LONG)[:-9], id="br"),
        pytest.param("deflate", zlib.compress(LONG)[:-9], id="deflate"),
    ],
)
def test_a_body_that_was_cut_is_no_body(name: str, data: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="was cut"):
        unfold(data, name)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_no_piece_is_large_however_much_unfolds(name: str) -> None:
    encode = ENCODINGS[name][1]

    pieces = list(
        Decompressor({"content-encoding": name}).feed(encode(bytes(5_000_000)))
    )

    assert max(map(len, pieces)) <= 2 * PIECE_BYTES  # brotli rounds up
    assert sum(map(len, pieces)) == 5_000_000


@pytest.mark.parametrize("name", ["gzip", "br", "zstd"])
async def test_a_bomb_ends_before_it_takes_memory(name: str) -> None:
    data = ENCODINGS[name][1](bytes(200_000_000))
    body = reply(data, content_type="image/png", headers=(f"content-encoding: {name}",))
    limits = WireLimits(image_bytes=1_000_000)
    with ScriptedServer(answer(body)) as server:
        async with Wire(paid_hosts=False, limits=limits) as wire:
            tracemalloc.start()
            with pytest.raises(Exception, match="more than 1000000"):
                await wire.download("acme", server.url, allow_loopback=True)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()

    assert peak < 8_000_000
