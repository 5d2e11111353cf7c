"""A server that answers from memory, faster than whatever is measured against it.

The first part of a path says what it does: `/link-SIZE-LATENCY` sells images by link
as AI/ML API does, `/inline-SIZE-LATENCY` sends them as base64 as Gemini does; SIZE is
an image's bytes, LATENCY milliseconds that a purchase takes. `/chat-SIZE-LATENCY`
answers with so much text, as OpenAI does. Give them as base URL. `/times/KIND-SIZE-
LATENCY` says when purchases there came, in seconds. With `-cutN` behind LATENCY every
Nth response that carries an image breaks off somewhere.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a bare protocol is the fastest server there is
import base64
import io
import math
import random
import struct
import time
import zlib
from collections import defaultdict
from functools import cache

from PIL import Image

from tests.fake_provider.fast import NOT_FOUND, FastConnection, json_reply, reply, serve

SMALLEST = 200
"""Bytes of the smallest image that is served."""

arrivals: dict[bytes, list[float]] = defaultdict(list)
"""When purchases came, by the first part of their path."""

carried: dict[bytes, int] = defaultdict(int)
"""Responses with an image by now, by how often they break off."""

breaks = random.Random(1)
"""Where they break off."""


@cache
def image(size: int) -> bytes:
    """Return a real PNG of exactly so many bytes that no one can compress."""
    rng = random.Random(size)
    # Pixels take three quarters of it, so that to decode it is work.
    side = max(1, math.isqrt(max(0, size - SMALLEST) // 4))
    file = io.BytesIO()
    pixels = Image.frombytes("RGB", (side, side), rng.randbytes(3 * side * side))
    pixels.save(file, "PNG", compress_level=1)
    plain = file.getvalue()
    room = size - len(plain) - 12
    if room < 0:
        return plain
    # A private chunk that readers pass over, before the end's 12 bytes.
    chunk = b"baGn" + rng.randbytes(room)
    padding = struct.pack(">I", room) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return plain[:-12] + padding + plain[-12:]


@cache
def picture(size: int) -> bytes:
    """Return the response that carries an image."""
    return reply(b"image/png", image(size))


@cache
def by_link(authority: bytes, size: int, cut: bytes = b"") -> bytes:
    """Return a purchase's response that links to an image."""
    link = b"http://%b/image/%d-%b.png" % (authority, size, cut)
    text = b'{"data":[{"url":"%b"}],"meta":{"usage":{"credits_used":178975}}}' % link
    return reply(b"application/json", text)


@cache
def inline(size: int) -> bytes:
    """Return a purchase's response that holds an image."""
    text = (
        b'{"candidates":[{"content":{"role":"model","parts":[{"inlineData":'
        b'{"mimeType":"image/png","data":"%b"}}]},"finishReason":"STOP","index":0}],'
        b'"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":1290},'
        b'"modelVersion":"m","responseId":"r"}'
    ) % base64.b64encode(image(size))
    return reply(b"application/json", text)


@cache
def chat(size: int) -> bytes:
    """Return the response of a model that says so many characters."""
    text = (
        b'{"id":"r","object":"chat.completion","created":1700000000,"model":"m",'
        b'"choices":[{"index":0,"message":{"role":"assistant","content":"%b"},'
        b'"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":8,"completion_tokens":8,"total_tokens":16}}'
    ) % (b"x" * size)
    return reply(b"application/json", text)


def times_of(what: bytes) -> bytes:
    """Return the response that says when purchases came."""
    return json_reply(arrivals[what])


class Server(FastConnection):
    """Sells images and text from memory."""

    def answer(self, method: bytes, path: bytes, authority: bytes) -> None:
        """Answer a request; a purchase takes its time."""
        if method == b"GET":
            self._answer_get(path)
            return
        what = path.split(b"/")[1]
        arrivals[what].append(time.monotonic())
        kind, bytes_each, latency_ms, cut = (*what.split(b"-"), b"")[:4]
        if kind == b"link":
            response = by_link(authority, max(int(bytes_each), SMALLEST), cut)
            cut = b""
        elif kind == b"chat":
            response = chat(int(bytes_each))
        else:
            response = inline(max(int(bytes_each), SMALLEST))
        if latency_ms == b"0":
            self._write(response, cut)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(float(latency_ms) / 1000, self._write, response, cut)

    def _answer_get(self, path: bytes) -> None:
        name = path.rpartition(b"/")[2].removesuffix(b".png")
        if path.startswith(b"/times/"):
            self._write(times_of(name))
        elif path.startswith(b"/image/"):
            bytes_each, _, cut = name.partition(b"-")
            self._write(picture(int(bytes_each)), cut)
        else:
            self._write(NOT_FOUND)  # a run asks whether the server is there

    def _write(self, answer: bytes, cut: bytes = b"") -> None:
        every = int(cut.removeprefix(b"cut") or 0)
        carried[cut] += 1
        if not every or carried[cut] % every:
            self.transport.write(answer)
            return
        size = int(len(answer) * breaks.uniform(0.3, 0.99))
        self.transport.write(memoryview(answer)[:size])
        self.transport.close()


if __name__ == "__main__":
    asyncio.run(serve(Server))
