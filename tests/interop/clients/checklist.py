"""What the drivers of the SDKs share; it runs where batchgen is not installed."""

from __future__ import annotations

import json
import struct
import sys
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PNG_HEAD = b"\x89PNG\r\n\x1a\n"


class Shop:
    """The sandbox as a driver gets to know it from its command line.

    Attributes:
        root: Scheme, host and port of the sandbox.
        key: The key that its services take.
        model: The model to buy from.
    """

    def __init__(self, root: str, key: str, model: str) -> None:
        self.root = root
        self.key = key
        self.model = model

    @classmethod
    def from_command_line(cls) -> Shop:
        """Read the three arguments that every driver gets."""
        return cls(*sys.argv[1:4])

    def queue_fault(self, provider: str, fault: str) -> None:
        """Let the next request go wrong."""
        body = json.dumps({"provider": provider, "fault": fault}).encode()
        headers = {"content-type": "application/json"}
        url = f"{self.root}/_sandbox/faults"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)):
            pass

    def last_charge(self, provider: str) -> dict[str, Any]:
        """Return the newest entry of the bill."""
        url = f"{self.root}/_sandbox/bill?provider={provider}"
        with urllib.request.urlopen(url) as reply:
            entries: list[dict[str, Any]] = json.load(reply)["entries"]
        return entries[-1]

    def download(self, link: str) -> bytes:
        """Return what a link leads to."""
        with urllib.request.urlopen(link) as reply:
            content: bytes = reply.read()
            return content


@contextmanager
def check(name: str) -> Iterator[None]:
    """Report as one JSON line whether the block ended well; later checks go on."""
    detail = ""
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever an SDK raises is the finding
        detail = f"{type(error).__name__}: {error}"[:500] or "failed"
    sys.stdout.write(json.dumps({"name": name, "problem": detail}) + "\n")
    sys.stdout.flush()


def expect(actual: object, expected: object) -> None:
    """Fail with both values unless they are equal; `assert` would show neither."""
    if actual != expected:
        raise ValueError(f"{actual!r} instead of {expected!r}")


@contextmanager
def expect_error(kind: type[Exception], **attributes: object) -> Iterator[None]:
    """Fail unless the block raises this kind of error with these attributes."""
    try:
        yield
    except kind as error:
        for name, value in attributes.items():
            expect((name, getattr(error, name, None)), (name, value))
    else:
        raise ValueError(f"no {kind.__name__}")


@contextmanager
def check_error(
    name: str, kind: type[Exception], **attributes: object
) -> Iterator[None]:
    """Report whether the block raises this kind of error with these attributes."""
    with check(name), expect_error(kind, **attributes):
        yield


def png_size(data: bytes | None) -> tuple[int, int]:
    """Return width and height of a PNG."""
    if data is None or not data.startswith(PNG_HEAD):
        raise ValueError(f"no PNG but {data!r:.60}")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def make_png(width: int, height: int) -> bytes:
    """Return a small grey image without a library for images."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\x00" + b"\x80" * width) * height
    body = chunk(b"IDAT", zlib.compress(rows))
    return PNG_HEAD + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")
