"""A provider in a process of its own that keeps a bill, with sockets as it needs them.

The first part of a path names the provider whose protocol is spoken: `aimlapi` sells by
link, `apiai` sends the image itself, `foxapi` accepts tasks. `GET /bill` returns what
was bought: the number of purchases that were answered or accepted, how many
connections were open at most, and how many there were at all.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a bare protocol is the fastest server there is
import io
import os
import resource
import sys
import time

from PIL import Image

from tests.fake_provider.fast import FastConnection, json_reply, reply, serve

CREDITS = 100_000


def _drawn() -> bytes:
    file = io.BytesIO()
    # Noise: an image of some 40 KB, so that bodies take more than one packet.
    Image.frombytes("RGB", (120, 110), os.urandom(120 * 110 * 3)).save(file, "PNG")
    return file.getvalue()


class Bill:
    """What was bought, and how many connections there were."""

    def __init__(self) -> None:
        self.purchases = 0
        self.open = self.max_open = self.connections = 0
        self.began: dict[str, float] = {}


class Provider(FastConnection):
    """One connection; requests come one after the other."""

    def __init__(self, bill: Bill, image: bytes, latency_s: float) -> None:
        self._bill = bill
        self._image = image
        self._latency_s = latency_s
        super().__init__()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)
        self._bill.open += 1
        self._bill.connections += 1
        self._bill.max_open = max(self._bill.max_open, self._bill.open)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self._bill.open -= 1

    def answer(self, method: bytes, path: bytes, authority: bytes) -> None:
        """Answer a request; a purchase takes its time."""
        if method == b"GET":
            self.transport.write(self._look(path.decode(), authority))
            return
        response = self._sell(path.split(b"/")[1], authority)
        loop = asyncio.get_running_loop()
        loop.call_later(self._latency_s, self.transport.write, response)

    def _sell(self, provider: bytes, authority: bytes) -> bytes:
        """Charge a purchase, as a provider does whose answer nobody may get."""
        self._bill.purchases += 1
        number = self._bill.purchases
        if provider == b"apiai":
            cost = b"x-cost: 0.05\r\n"
            return reply(b"image/png", self._image, cost)
        if provider == b"foxapi":
            self._bill.began[f"task-{number}"] = time.monotonic()
            return json_reply({"id": f"task-{number}", "status": "processing"})
        link = f"http://{authority.decode()}/images/{number}.png"
        usage = {"usage": {"credits_used": CREDITS}}
        return json_reply({"data": [{"url": link}], "meta": usage})

    def _look(self, path: str, authority: bytes) -> bytes:
        if path == "/bill":
            bill = {
                "purchases": self._bill.purchases,
                "max_open": self._bill.max_open,
                "connections": self._bill.connections,
            }
            return json_reply(bill)
        if "/images/" in path:
            return reply(b"image/png", self._image)
        task = path.rpartition("/")[2]
        began = self._bill.began.get(task, 0.0)
        if time.monotonic() - began < self._latency_s:
            return json_reply({"id": task, "status": "processing"})
        link = f"http://{authority.decode()}/images/{task}.png"
        results = [{"url": link}]
        return json_reply({"id": task, "status": "completed", "results": results})


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bill, image = Bill(), _drawn()
    asyncio.run(serve(lambda: Provider(bill, image, float(sys.argv[1]))))
