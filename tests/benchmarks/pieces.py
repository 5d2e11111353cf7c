"""Bare loops over replies that carry a large image.

`python -m tests.benchmarks.pieces bare|wire URL ROWS IN_FLIGHT [FILE]` buys images
from the fast server and drops them: `bare` with aiohttp alone, scanning the stream and
decoding it in pieces, `wire` through batchgen's sender. With FILE each image is hashed
and appended there.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

import aiohttp
import anyio
import pybase64

from batchgen.model import Blob, Call
from batchgen.wire.sender import Wire

MARK = b'"data":"'
PATH = "/v1beta/models/m:generateContent"
PROMPT = {"prompt": "Prompt 1"}

Buy = Callable[[], Awaitable[bytes]]


async def bare(url: str, rows: int, in_flight: int, file: BinaryIO | None) -> None:
    """Buy with aiohttp alone."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client:

        async def buy() -> bytes:
            async with client.post(url + PATH, json=PROMPT) as reply:
                return await decode(reply.content)

        await work(buy, rows, in_flight, file)


async def decode(content: aiohttp.StreamReader) -> bytes:
    """Find the image in a reply and decode it while it arrives; parse the rest."""
    image, text, letters = io.BytesIO(), b"", b""
    is_open = False
    async for chunk in content.iter_any():
        piece = chunk
        if not is_open:
            text, mark, piece = (text + chunk).partition(MARK)
            text += mark
            is_open = bool(mark)
        letters, quote, after = (letters + piece).partition(b'"')
        whole = len(letters) & ~3
        part = memoryview(letters)[:whole]
        image.write(pybase64.b64decode(part, validate=True))
        letters = letters[whole:]
        if quote:
            is_open = False
            text += quote + after
    json.loads(text)
    return image.getvalue()


async def wire(url: str, rows: int, in_flight: int, file: BinaryIO | None) -> None:
    """Buy through batchgen's sender."""
    call = Call(
        method="POST", url=url + PATH, json=PROMPT, blob_keys=frozenset({"data"})
    )
    async with Wire(paid_hosts=False) as new_wire:

        async def buy() -> bytes:
            reply = await new_wire.send("gemini", call, reply_timeout_s=300)
            return image_in(reply.body).data

        await work(buy, rows, in_flight, file)


def image_in(body: object) -> Blob:
    """Return the one image of a reply."""
    assert isinstance(body, dict)
    image = body["candidates"][0]["content"]["parts"][0]["inlineData"]["data"]
    assert isinstance(image, Blob)
    return image


async def work(buy: Buy, rows: int, in_flight: int, file: BinaryIO | None) -> None:
    """Buy all rows, so many at once."""
    left = iter(range(rows))

    async def worker() -> None:
        for _ in left:
            image = await buy()
            if file is not None:
                hashlib.sha256(image).digest()
                file.write(image)

    async with anyio.create_task_group() as workers:
        for _ in range(in_flight):
            workers.start_soon(worker)


def main(
    kind: str, url: str, rows: int, in_flight: int, path: str | None = None
) -> None:
    """Run a loop."""
    loop = {"bare": bare, "wire": wire}[kind]
    if path is None:
        anyio.run(loop, url, rows, in_flight, None)
        return
    with Path(path).open("wb", buffering=0) as file:
        anyio.run(loop, url, rows, in_flight, file)


if __name__ == "__main__":
    kind, url, rows, in_flight, *path = sys.argv[1:]
    main(kind, url, int(rows), int(in_flight), *path)
