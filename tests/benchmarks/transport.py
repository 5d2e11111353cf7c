"""Compare the CPU that a request costs over httpx's own pool and over aiohttp.

Run it as `python -m tests.benchmarks.transport`; it prints a table.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import anyio
import anyio.abc
import httpx

from batchgen.wire.transport import AiohttpTransport

LATENCY_S = 0.3
ROUNDS = 3
REPLY = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1024\r\n\r\n"
)
BODY = b'{"prompt":"a red apple"}'
IN_FLIGHT = (64, 512, 1_024)
# The default pool needs minutes for what the others do in seconds.
LARGEST_FOR_DEFAULT = 512

Build = Callable[[], httpx.AsyncBaseTransport]


async def answer(stream: anyio.abc.SocketStream) -> None:
    """Answer every request on one connection after the latency."""
    async with stream:
        while True:
            request = b""
            try:
                while not request.endswith(BODY):
                    request += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return
            await anyio.sleep(LATENCY_S)
            await stream.send(REPLY + b" " * 1024)


async def serve() -> None:
    """Serve until the process is ended; the first line says the port."""
    async with await anyio.create_tcp_listener(
        local_host="127.0.0.1", local_port=0, backlog=4096
    ) as listener:
        sys.stdout.write(f"{listener.extra(anyio.abc.SocketAttribute.local_port)}\n")
        sys.stdout.flush()
        await listener.serve(answer)


async def measure(build: Build, url: str, in_flight: int) -> float:
    """Return milliseconds of CPU for one request."""
    requests = max(in_flight * 2, 512)
    timeout = httpx.Timeout(120.0)
    async with httpx.AsyncClient(
        transport=build(), timeout=timeout, trust_env=False
    ) as client:
        slots = anyio.CapacityLimiter(in_flight)

        async def one() -> None:
            async with slots:
                await client.post(url, content=BODY)

        await one()
        before = time.process_time()
        async with anyio.create_task_group() as group:
            for _ in range(requests):
                group.start_soon(one)
        return (time.process_time() - before) / requests * 1_000


def candidates() -> dict[str, Build]:
    """Return the transports that can be measured here."""
    limits = httpx.Limits(max_connections=10_000, max_keepalive_connections=10_000)
    found: dict[str, Build] = {
        "httpx": partial(httpx.AsyncHTTPTransport, limits=limits),
        "batchgen": partial(AiohttpTransport, use_proxy=False),
    }
    try:
        from httpx_aiohttp import AiohttpTransport as Other
    except ImportError:
        return found
    return found | {"httpx-aiohttp": partial(Other, limits=limits)}


@contextmanager
def server() -> Iterator[str]:
    """Run the server in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.terminate()


def raise_file_limit() -> None:
    """Allow as many open sockets as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Print a table of CPU per request."""
    raise_file_limit()
    builds = candidates()
    write = sys.stdout.write
    write(f"{'CPU ms a request':18}" + "".join(f"{name:>15}" for name in builds) + "\n")
    with server() as url:
        for in_flight in IN_FLIGHT:
            taken: dict[str, list[float]] = {name: [] for name in builds}
            for _ in range(ROUNDS):
                for name, build in builds.items():
                    if name == "httpx" and in_flight > LARGEST_FOR_DEFAULT:
                        continue
                    taken[name].append(anyio.run(measure, build, url, in_flight))
            cells = (
                f"{statistics.median(each):15.2f}" if each else f"{'-':>15}"
                for each in taken.values()
            )
            write(f"{in_flight:<7}in flight  " + "".join(cells) + "\n")


if __name__ == "__main__":
    anyio.run(serve) if "serve" in sys.argv else main()
