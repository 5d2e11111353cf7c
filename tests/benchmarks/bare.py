"""The bare loop that batchgen is measured against: httpx over the same transport.

`python -m tests.benchmarks.bare URL ROWS IN_FLIGHT [FILE]` does the same requests as
a run does, and keeps nothing; with FILE it hashes each image and appends it there.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import BinaryIO

import anyio
import httpx
import pybase64

from batchgen.wire.transport import AiohttpTransport

BODY = {"model": "google/nano-banana-2", "prompt": "Prompt 1", "resolution": "1K"}


async def buy(client: httpx.AsyncClient, url: str) -> bytes:
    """Buy one image, by link or in the reply."""
    reply = (await client.post(f"{url}/v1/images/generations", json=BODY)).json()
    if "data" in reply:
        return (await client.get(reply["data"][0]["url"])).content
    [part] = reply["candidates"][0]["content"]["parts"]
    return pybase64.b64decode(part["inlineData"]["data"], validate=True)


async def work(url: str, rows: int, in_flight: int, file: BinaryIO | None) -> None:
    """Buy all rows, so many at once."""
    left = iter(range(rows))

    async def worker() -> None:
        for _ in left:
            image = await buy(client, url)
            if file is not None:
                hashlib.sha256(image).digest()
                file.write(image)

    began, cpu = time.perf_counter(), time.process_time()
    transport = AiohttpTransport(use_proxy=False)
    async with (
        httpx.AsyncClient(transport=transport, timeout=300, trust_env=False) as client,
        anyio.create_task_group() as workers,
    ):
        for _ in range(in_flight):
            workers.start_soon(worker)
    times = {
        "wall_s": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu,
    }
    sys.stdout.write(json.dumps(times) + "\n")


def main(url: str, rows: int, in_flight: int, path: str | None = None) -> None:
    """Run the loop."""
    if path is None:
        anyio.run(work, url, rows, in_flight, None)
        return
    with Path(path).open("wb", buffering=0) as file:
        anyio.run(work, url, rows, in_flight, file)


if __name__ == "__main__":
    url, rows, in_flight, *file = sys.argv[1:]
    main(url, int(rows), int(in_flight), *file)
