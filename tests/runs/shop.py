"""A provider on loopback whose hooks a test replaces, and that keeps a bill.

It speaks as much of the protocols as the tests need, over real HTTP, in the test's own
event loop: so a test can also look at what was asked while a run is under way.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from PIL import Image

from tests.fake_provider.http import NO_ANSWER
from tests.fake_provider.http import Answer as Answer
from tests.fake_provider.http import Request as Request
from tests.fake_provider.server import serve_in_loop

CREDITS_PER_USD = 2_000_000


def drawn(size: tuple[int, int] = (8, 6)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, "PNG")
    return file.getvalue()


PNG = drawn()


def said(document: object, status: int = 200, **headers: str) -> Answer:
    """Return JSON; underscores in names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(document).encode()
    return Answer(status, body, {"content-type": "application/json", **named})


def refused(status: int, words: str = "no", **headers: str) -> Answer:
    """Return an error as both providers word it."""
    return said({"message": words, "error": {"message": words}}, status, **headers)


LOST = NO_ANSWER
PICTURE = Answer(200, PNG, {"content-type": "image/png"})

Say = Callable[[Request], Answer]


def in_turn(*says: Say | Answer) -> Say:
    """Answer the n-th request with the n-th answer, then always with the last."""
    turns = list(says)

    def say(asked: Request) -> Answer:
        now = turns.pop(0) if len(turns) > 1 else turns[0]
        return now(asked) if callable(now) else now

    return say


class Shop:
    """The server: `buy`, `poll` and `image` answer, and may be replaced by a test."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.billed_nano = 0
        self.url = ""
        self.buy: Say = self.accept
        self.poll: Say = self.complete
        self.image: Say = lambda _: PICTURE
        self.upload: Say = self.keep
        self.takes_s = 0.0  # from a purchase to its answer
        self._tasks = 0

    # -- what can be answered

    def accept(self, asked: Request) -> Answer:
        """Accept a task, which will cost five cents."""
        self._tasks += 1
        self.billed_nano += 50_000_000
        return said({"id": f"task-{self._tasks}", "status": "processing"})

    def complete(self, asked: Request) -> Answer:
        """Say that the task is done, with a link named after it."""
        return self.linked(f"{asked.name}.png")(asked)

    def linked(self, *names: str) -> Say:
        links = [{"url": f"{self.url}/images/{name}"} for name in names]
        return lambda asked: said(
            {"id": asked.name, "status": "completed", "results": links}
        )

    def keep(self, asked: Request) -> Answer:
        """Keep what is uploaded, under a link that counts the uploads."""
        return said({"url": f"{self.url}/kept/{len(self.uploads)}.png"})

    def running(self, asked: Request) -> Answer:
        return said({"id": asked.name, "status": "processing"})

    def sells(self, credits_used: int, *names: str) -> Say:
        """Answer a purchase with links at once, as AI/ML API does, and charge it."""

        def say(asked: Request) -> Answer:
            self.billed_nano += credits_used * 1_000_000_000 // CREDITS_PER_USD
            wanted = names or (f"{len(self.buys)}.png",)
            links = [{"url": f"{self.url}/images/{value}"} for value in wanted]
            usage = {"usage": {"credits_used": credits_used}}
            return said({"data": links, "meta": usage})

        return say

    # -- what was asked

    @property
    def buys(self) -> list[Request]:
        return [
            entry
            for entry in self.asked
            if entry.method == "POST" and "/upload/" not in entry.path
        ]

    @property
    def uploads(self) -> list[Request]:
        return [entry for entry in self.asked if "/upload/" in entry.path]

    @property
    def polls(self) -> list[Request]:
        return [entry for entry in self.asked if "/tasks/" in entry.path]

    @property
    def downloads(self) -> list[Request]:
        return [
            entry
            for entry in self.asked
            if "/images/" in entry.path and entry.method == "GET"
        ]

    @property
    def prompts(self) -> list[str]:
        return [buy.body["prompt"] for buy in self.buys]

    # -- the server

    def _answer(self, asked: Request) -> Answer:
        if "/upload/" in asked.path:
            return self.upload(asked)
        if asked.method == "POST":
            return self.buy(asked)
        return self.poll(asked) if "/tasks/" in asked.path else self.image(asked)

    def answer(self, request: Request) -> Answer:
        """Answer a request, and keep it; a purchase takes its time."""
        self.asked.append(request)
        answer = self._answer(request)
        return replace(answer, delay_s=self.takes_s if request.method == "POST" else 0)

    def encode(self, request: Request, answer: Answer) -> bytes:
        """Return the bytes of an answer."""
        return answer.encode()


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    shop = Shop()
    async with serve_in_loop(shop):
        yield shop


def shown(asked: Sequence[Request]) -> list[str]:
    """Return requests in short, for messages of failed tests."""
    return [f"{entry.method} {entry.path}" for entry in asked]
