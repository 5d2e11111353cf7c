"""A provider's server on loopback that answers as a test tells it, and keeps a bill.

It speaks as much of both protocols as the tests need, over real HTTP, in the test's
own event loop: so a test can also look at what was asked while a run is under way.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from PIL import Image

CREDITS_PER_USD = 2_000_000


def drawn(size: tuple[int, int] = (8, 6)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, "PNG")
    return file.getvalue()


PNG = drawn()


@dataclass(frozen=True)
class Asked:
    """One request as it arrived, and when."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Answer:
    """What is said in reply; a status of 0 closes the connection without a word."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def said(document: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(document).encode()
    return Answer(status, body, {"content-type": "application/json", **named})


def refused(status: int, words: str = "no", **headers: str) -> Answer:
    """Return an error as both providers word it."""
    return said({"message": words, "error": {"message": words}}, status, **headers)


LOST = Answer(0)
PICTURE = Answer(200, PNG, {"content-type": "image/png"})

Say = Callable[[Asked], Answer]


def in_turn(*says: Say | Answer) -> Say:
    """Answer the n-th request with the n-th answer, then always with the last."""
    turns = list(says)

    def say(asked: Asked) -> Answer:
        now = turns.pop(0) if len(turns) > 1 else turns[0]
        return now(asked) if callable(now) else now

    return say


class Shop:
    """The server: `buy`, `poll` and `image` answer, and may be replaced by a test."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.billed_nano = 0
        self.url = ""
        self.buy: Say = self.accept
        self.poll: Say = self.complete
        self.image: Say = lambda _: PICTURE
        self.upload: Say = self.keep
        self.takes_s = 0.0  # from a purchase to its answer
        self._tasks = 0

    # -- what can be answered

    def accept(self, asked: Asked) -> Answer:
        """Accept a task, which will cost five cents."""
        self._tasks += 1
        self.billed_nano += 50_000_000
        return said({"id": f"task-{self._tasks}", "status": "processing"})

    def complete(self, asked: Asked) -> Answer:
        """Say that the task is done, with a link named after it."""
        return self.linked(f"{asked.name}.png")(asked)

    def linked(self, *names: str) -> Say:
        links = [{"url": f"{self.url}/images/{name}"} for name in names]
        return lambda asked: said(
            {"id": asked.name, "status": "completed", "results": links}
        )

    def keep(self, asked: Asked) -> Answer:
        """Keep what is uploaded, under a link that counts the uploads."""
        return said({"url": f"{self.url}/kept/{len(self.uploads)}.png"})

    def running(self, asked: Asked) -> Answer:
        return said({"id": asked.name, "status": "processing"})

    def sells(self, credits_used: int, *names: str) -> Say:
        """Answer a purchase with links at once, as AI/ML API does, and charge it."""

        def say(asked: Asked) -> Answer:
            self.billed_nano += credits_used * 1_000_000_000 // CREDITS_PER_USD
            wanted = names or (f"{len(self.buys)}.png",)
            links = [{"url": f"{self.url}/images/{it}"} for it in wanted]
            usage = {"usage": {"credits_used": credits_used}}
            return said({"data": links, "meta": usage})

        return say

    # -- what was asked

    @property
    def buys(self) -> list[Asked]:
        return [
            it for it in self.asked if it.method == "POST" and "/upload/" not in it.path
        ]

    @property
    def uploads(self) -> list[Asked]:
        return [it for it in self.asked if "/upload/" in it.path]

    @property
    def polls(self) -> list[Asked]:
        return [it for it in self.asked if "/tasks/" in it.path]

    @property
    def downloads(self) -> list[Asked]:
        return [it for it in self.asked if "/images/" in it.path and it.method == "GET"]

    @property
    def prompts(self) -> list[str]:
        return [it.body["prompt"] for it in self.buys]

    # -- the server

    def _answer(self, asked: Asked) -> Answer:
        if "/upload/" in asked.path:
            return self.upload(asked)
        if asked.method == "POST":
            return self.buy(asked)
        return self.poll(asked) if "/tasks/" in asked.path else self.image(asked)

    async def _serve(self, stream: SocketStream) -> None:
        async with stream:
            received = BufferedByteReceiveStream(stream)
            head = (await received.receive_until(b"\r\n\r\n", 65536)).decode()
            first, *lines = head.split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            size = int(headers.get("content-length", "0"))
            body = await received.receive_exactly(size) if size else b""
            method, path, _ = first.split(" ")
            asked = Asked(
                method,
                path,
                headers,
                json.loads(body) if body.startswith(b"{") else body or None,
                anyio.current_time(),
            )
            self.asked.append(asked)
            answer = self._answer(asked)
            if method == "POST":
                await anyio.sleep(self.takes_s)
            if answer.status:
                await stream.send(_written(answer))

    async def _greet(self, stream: SocketStream) -> None:
        try:
            await self._serve(stream)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            return  # the client went away


def _written(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Said", "connection: close"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines.append(f"content-length: {len(answer.body)}")
    return "\r\n".join([*lines, "", ""]).encode() + answer.body


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    shop = Shop()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(SocketAttribute.local_port)
    shop.url = f"http://127.0.0.1:{port}"
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, shop._greet, tasks)
        yield shop
        tasks.cancel_scope.cancel()


def shown(asked: Sequence[Asked]) -> list[str]:
    """Return requests in short, for messages of failed tests."""
    return [f"{it.method} {it.path}" for it in asked]
