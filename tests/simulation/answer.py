"""What a simulated provider says, and how the wire breaks it."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

import httpx

PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply.

    Attributes:
        after_s: Seconds from the request's arrival to the reply's head.
        breaks: Raised in place of the reply, or of the rest of its body.
        kept: Bytes of the body that come before it breaks; None for not even a head.
        heard: Called when the client has read it whole.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    breaks: type[httpx.TransportError] | None = None
    kept: int | None = None
    heard: Callable[[], None] = lambda: None

    def __str__(self) -> str:
        broken = f" {self.breaks.__name__} {self.kept}" if self.breaks else ""
        return f"{self.status}{broken}"


SILENCE = Answer(status=0, after_s=inf)


def json_answer(status: int, document: object, **headers: str) -> Answer:
    """Return JSON; underscores in names of headers stand for hyphens."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(document).encode()
    return Answer(
        status=status, body=body, headers={"content-type": "application/json", **names}
    )


def page(status: int = 502) -> Answer:
    return Answer(status=status, body=PAGE, headers={"content-type": "text/html"})


def picture(data: bytes) -> Answer:
    return Answer(body=data, headers={"content-type": "image/png"})


def draw_png(words: str) -> bytes:
    """Return a small PNG that no other words give."""
    header = struct.pack(">IIBBBBB", 8, 6, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes(8)) * 6)
    chunks = (
        (b"IHDR", header),
        (b"tEXt", b"Comment\0" + words.encode("latin-1")),
        (b"IDAT", pixels),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
