"""Compare a whole run with the ideal schedule: rows over places times the latency.

Run it as `python -m tests.benchmarks.schedule [ROWS IN_FLIGHT LATENCY_S]`; everything
is on: ledger, ZIP, table. The server answers from memory in a process of its own, and
client and server are pinned to a core each where the platform allows it.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a bare protocol is the fastest server there is
import io
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import polars as pl
from PIL import Image

ROWS, IN_FLIGHT, LATENCY_S = 2_000, 512, 2.0
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    return file.getvalue()


class Server(asyncio.Protocol):
    """Answer a purchase after the latency, and a download at once."""

    image = b""
    link = b""
    latency_s = LATENCY_S

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        if head.startswith(b"GET"):
            self._received = b""
            self._transport.write(HEAD % (b"image/png", len(self.image)) + self.image)
            return
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        if len(body) < length:
            return
        self._received = b""
        answer = b'{"data":[{"url":"%b"}],"meta":{"usage":{"credits_used":178975}}}'
        text = answer % self.link
        whole = HEAD % (b"application/json", len(text)) + text
        loop = asyncio.get_running_loop()
        loop.call_later(self.latency_s, self._transport.write, whole)


async def serve(latency_s: float) -> None:
    """Serve until the process is ended; the first line says the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    Server.image = _png()
    Server.link = f"http://127.0.0.1:{port}/image.png".encode()
    Server.latency_s = latency_s
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.serve_forever()


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


def measure(rows: int, in_flight: int, latency_s: float) -> None:
    """Print how near one run came to the ideal schedule."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    serve_command = [sys.executable, "-m", __spec__.name, "serve", str(latency_s)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            serve_command,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: _pin(1),
        ) as server,
    ):
        assert server.stdout is not None
        port = int(server.stdout.readline())
        manifest = Path(folder) / "rows.csv"
        manifest.write_text(
            "id,prompt\n" + "".join(f"{it},Prompt {it}\n" for it in range(rows))
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "batchgen", "run", str(manifest)),
                *("--provider", "aimlapi", "--yes", "--quiet"),
                *("--base-url", f"http://127.0.0.1:{port}"),
                *("--concurrency", str(in_flight), "--out", f"{folder}/out"),
            ],
            env={**os.environ, "AIMLAPI_API_KEY": "key-of-the-benchmark"},
            preexec_fn=lambda: _pin(0),
            capture_output=True,
            text=True,
            check=False,
        )
        wall_s = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        server.terminate()
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        table = pl.read_parquet(f"{folder}/out/results.parquet")
        first, last = table["started_at"].min(), table["finished_at"].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        span = last - first
    ideal_s = math.ceil(rows / in_flight) * latency_s
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sending_s = span.total_seconds()
    sys.stdout.write(
        f"{rows} rows, {in_flight} in flight, {latency_s:g} s latency\n"
        f"ideal {ideal_s:.2f} s; first send to last image {sending_s:.2f} s "
        f"({sending_s / ideal_s:.3f} of ideal); whole process {wall_s:.2f} s\n"
        f"client CPU {cpu_s:.2f} s, {cpu_s / rows * 1000:.2f} ms a row, "
        f"{cpu_s / wall_s:.2f} cores\n"
        f"peak RSS {after.ru_maxrss / 1024:.0f} MB\n"
    )


if __name__ == "__main__":
    if "serve" in sys.argv:
        asyncio.run(serve(float(sys.argv[-1])))
    else:
        given = sys.argv[1:]
        measure(
            int(given[0]) if given else ROWS,
            int(given[1]) if len(given) > 1 else IN_FLIGHT,
            float(given[2]) if len(given) > 2 else LATENCY_S,
        )
