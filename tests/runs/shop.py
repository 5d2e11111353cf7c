"""A provider on loopback whose hooks a test replaces, and that keeps a bill.

It speaks as much of the protocols as the tests need, over real HTTP, in the test's own
event loop: so a test can also look at what was asked while a run is under way.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from PIL import Image

from tests.fake_provider.http import NO_ANSWER
from tests.fake_provider.http import Answer as Answer
from tests.fake_provider.http import Request as Request
from tests.fake_provider.server import serve_in_loop

CREDITS_PER_USD = 2_000_000


def draw_png(size: tuple[int, int] = (8, 6)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, "PNG")
    return file.getvalue()


PNG = draw_png()


def as_json(document: object, status: int = 200, **headers: str) -> Answer:
    """Return JSON; underscores in names of headers stand for hyphens."""
    hyphenated = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(document).encode()
    return Answer(status, body, {"content-type": "application/json", **hyphenated})


def refused(status: int, message: str = "no", **headers: str) -> Answer:
    """Return an error as both providers word it."""
    return as_json(
        {"message": message, "error": {"message": message}}, status, **headers
    )


LOST = NO_ANSWER
PICTURE = Answer(200, PNG, {"content-type": "image/png"})

Responder = Callable[[Request], Answer]


def in_turn(*responders: Responder | Answer) -> Responder:
    """Answer the n-th request with the n-th answer, then always with the last."""
    turns = list(responders)

    def respond(request: Request) -> Answer:
        now = turns.pop(0) if len(turns) > 1 else turns[0]
        return now(request) if callable(now) else now

    return respond


class Shop:
    """The server: `buy`, `poll` and `image` answer, and may be replaced by a test."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.billed_nano = 0
        self.url = ""
        self.buy: Responder = self.accept
        self.poll: Responder = self.complete
        self.image: Responder = lambda _: PICTURE
        self.upload: Responder = self.keep
        self.takes_s = 0.0  # from a purchase to its answer
        self._tasks = 0

    # -- what can be answered

    def accept(self, request: Request) -> Answer:
        """Accept a task, which will cost five cents."""
        self._tasks += 1
        self.billed_nano += 50_000_000
        return as_json({"id": f"task-{self._tasks}", "status": "processing"})

    def complete(self, request: Request) -> Answer:
        """Say that the task is done, with a link named after it."""
        return self.linked(f"{request.name}.png")(request)

    def linked(self, *names: str) -> Responder:
        links = [{"url": f"{self.url}/images/{name}"} for name in names]
        return lambda request: as_json(
            {"id": request.name, "status": "completed", "results": links}
        )

    def keep(self, request: Request) -> Answer:
        """Keep what is uploaded, under a link that counts the uploads."""
        return as_json({"url": f"{self.url}/kept/{len(self.uploads)}.png"})

    def running(self, request: Request) -> Answer:
        return as_json({"id": request.name, "status": "processing"})

    def sells(self, credits_used: int, *names: str) -> Responder:
        """Answer a purchase with links at once, as AI/ML API does, and charge it."""

        def respond(request: Request) -> Answer:
            self.billed_nano += credits_used * 1_000_000_000 // CREDITS_PER_USD
            files = names or (f"{len(self.buys)}.png",)
            links = [{"url": f"{self.url}/images/{name}"} for name in files]
            usage = {"usage": {"credits_used": credits_used}}
            return as_json({"data": links, "meta": usage})

        return respond

    # -- what was asked

    @property
    def buys(self) -> list[Request]:
        return [
            request
            for request in self.requests
            if request.method == "POST" and "/upload/" not in request.path
        ]

    @property
    def uploads(self) -> list[Request]:
        return [request for request in self.requests if "/upload/" in request.path]

    @property
    def polls(self) -> list[Request]:
        return [request for request in self.requests if "/tasks/" in request.path]

    @property
    def downloads(self) -> list[Request]:
        return [
            request
            for request in self.requests
            if "/images/" in request.path and request.method == "GET"
        ]

    @property
    def prompts(self) -> list[str]:
        return [buy.body["prompt"] for buy in self.buys]

    # -- the server

    def _answer(self, request: Request) -> Answer:
        if "/upload/" in request.path:
            return self.upload(request)
        if request.method == "POST":
            return self.buy(request)
        return self.poll(request) if "/tasks/" in request.path else self.image(request)

    def answer(self, request: Request) -> Answer:
        """Answer a request, and keep it; a purchase takes its time."""
        self.requests.append(request)
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
