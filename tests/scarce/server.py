"""A provider in a process of its own that keeps a bill, with sockets as it needs them.

The first part of a path names the provider whose protocol is spoken: `aimlapi` sells by
link, `apiai` sends the image itself, `foxapi` accepts tasks. `GET /bill` returns what
was bought: the number of purchases that were answered or accepted, how many
connections were open at most, and how many there were at all.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a bare protocol is the fastest server there is
import io
import json
import os
import resource
import sys
import time

from PIL import Image

CREDITS = 100_000
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b\r\n"


def _drawn() -> bytes:
    file = io.BytesIO()
    # Noise: an image of some 40 KB, so that bodies take more than one packet.
    Image.frombytes("RGB", (120, 110), os.urandom(120 * 110 * 3)).save(file, "PNG")
    return file.getvalue()


class Bill:
    """What was bought, and how many connections there were."""

    def __init__(self) -> None:
        self.purchases = 0
        self.open = self.most_open = self.connections = 0
        self.began: dict[str, float] = {}


class Provider(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, bill: Bill, image: bytes, latency_s: float) -> None:
        self._bill = bill
        self._image = image
        self._latency_s = latency_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._bill.open += 1
        self._bill.connections += 1
        self._bill.most_open = max(self._bill.most_open, self._bill.open)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self._bill.open -= 1

    def data_received(self, data: bytes) -> None:
        """Answer when a request is whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        fields = head.lower()
        _, found, rest = fields.partition(b"content-length:")
        if found and len(body) < int(rest.split()[0]):
            return
        self._received = b""
        method, path, _ = head.split(b" ", 2)
        authority = fields.partition(b"\r\nhost:")[2].split()[0]
        if method == b"GET":
            self._transport.write(self._look(path.decode(), authority))
            return
        answer = self._sell(path.split(b"/")[1], authority)
        loop = asyncio.get_running_loop()
        loop.call_later(self._latency_s, self._transport.write, answer)

    def _sell(self, provider: bytes, authority: bytes) -> bytes:
        """Charge a purchase, as a provider does whose answer nobody may get."""
        self._bill.purchases += 1
        number = self._bill.purchases
        if provider == b"apiai":
            cost = b"x-cost: 0.05\r\n"
            return HEAD % (b"image/png", len(self._image), cost) + self._image
        if provider == b"foxapi":
            self._bill.began[f"task-{number}"] = time.monotonic()
            return _json({"id": f"task-{number}", "status": "processing"})
        link = f"http://{authority.decode()}/images/{number}.png"
        usage = {"usage": {"credits_used": CREDITS}}
        return _json({"data": [{"url": link}], "meta": usage})

    def _look(self, path: str, authority: bytes) -> bytes:
        if path == "/bill":
            bill = {
                "purchases": self._bill.purchases,
                "most_open": self._bill.most_open,
                "connections": self._bill.connections,
            }
            return _json(bill)
        if "/images/" in path:
            return HEAD % (b"image/png", len(self._image), b"") + self._image
        task = path.rpartition("/")[2]
        began = self._bill.began.get(task, 0.0)
        if time.monotonic() - began < self._latency_s:
            return _json({"id": task, "status": "processing"})
        link = f"http://{authority.decode()}/images/{task}.png"
        results = [{"url": link}]
        return _json({"id": task, "status": "completed", "results": results})


def _json(document: object) -> bytes:
    text = json.dumps(document).encode()
    return HEAD % (b"application/json", len(text), b"") + text


async def serve(latency_s: float) -> None:
    """Serve until the process is ended; the first line says the port."""
    bill, image = Bill(), _drawn()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Provider(bill, image, latency_s), "127.0.0.1", 0, backlog=4096
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(serve(float(sys.argv[1])))
