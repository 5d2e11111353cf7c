"""A service whose answers stand in scripts, row by row, and that keeps its bill."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from tests.fake_provider.http import NO_ANSWER as NO_ANSWER
from tests.fake_provider.http import Answer as Answer
from tests.fake_provider.http import Request as Request

PRICE = Decimal("0.05")
ANYWHERE = "http://127.0.0.1:8000"
"""Stands for the server's address in bodies; so it does in the files of replies."""
THIS_TASK = "task_01"
"""Stands in a poll's answer for the task that the poll is about."""


def draw(name: str, side_px: int = 8) -> bytes:
    """Return a PNG of one color that depends on the name."""
    color = hashlib.sha256(name.encode()).digest()[:3]
    rows = (b"\0" + color * side_px) * side_px
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + _checksum(kind + data)
        for kind, data in chunks
    )


def _checksum(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))


Reply = Answer | Callable[[Request], Answer]


def picture(content: bytes, **headers: str) -> Answer:
    """Answer with the bytes of an image."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, content, {"Content-Type": "image/png", **names})


class Service:
    """One service: rows, polls and links may have answers of their own.

    The n-th request of its kind gets the n-th answer, then always the last one. What
    has no answer of its own is answered as `dialect` does.

    Attributes:
        rows: Answers to purchases, by row.
        polls: Answers to polls, by row.
        paths: Answers to anything else, by path.
        gate: Answers a purchase before all others, where it answers at all.
    """

    def __init__(self, dialect: Callable[[Service, Request], Answer]) -> None:
        self.dialect = dialect
        self.rows: dict[str, list[Reply]] = {}
        self.polls: dict[str, list[Reply]] = {}
        self.paths: dict[str, list[Reply]] = {}
        self.gate: Callable[[Request], Answer | None] = lambda _: None
        self.requests: list[Request] = []
        self.bill = Decimal(0)
        self.tasks: dict[str, str] = {}
        self.url = ""
        self._turns: Counter[str] = Counter()

    # -- what was asked

    @property
    def purchases(self) -> list[Request]:
        return [request for request in self.requests if request.is_purchase]

    def purchases_of(self, row: str) -> int:
        return sum(request.row == row for request in self.purchases)

    def asked(self, text: str) -> list[Request]:
        """Return the requests other than purchases whose path holds a text."""
        return [
            request
            for request in self.requests
            if text in request.path and not request.is_purchase
        ]

    def task_of(self, request: Request) -> str:
        """Return the id of the task that a path names; its end if it names none."""
        parts = request.path.partition("?")[0].split("/")
        return next((part for part in parts if part in self.tasks), parts[-1])

    # -- what is answered

    def accept(self, row: str) -> str:
        """Take a task on and return its id."""
        task = f"job-{len(self.tasks) + 1:04}"
        self.tasks[task] = row
        return task

    def choose(self, request: Request) -> Answer:
        """Return the answer to a request."""
        scripts, key = self.paths, request.path.partition("?")[0]
        if request.is_purchase:
            if (answer := self.gate(request)) is not None:
                return answer
            if key not in scripts:
                scripts, key = self.rows, request.row
        elif request.row:
            scripts, key = self.polls, request.row
        if key not in scripts:
            return self.dialect(self, request)
        turn = self._turns[f"{id(scripts)} {key}"]
        self._turns[f"{id(scripts)} {key}"] += 1
        reply = scripts[key][min(turn, len(scripts[key]) - 1)]
        return reply if isinstance(reply, Answer) else reply(request)

    # -- what the server asks for

    def answer(self, request: Request) -> Answer:
        """Answer a request, and keep it and what is charged for it."""
        row = request.prompt.rpartition(" ")[2] if request.method == "POST" else ""
        request = replace(request, row=row or self.tasks.get(self.task_of(request), ""))
        self.requests.append(request)
        answer = self.choose(request)
        self.bill += answer.charge
        return answer

    def encode(self, request: Request, answer: Answer) -> bytes:
        """Return the bytes of an answer, address and task put in."""
        if isinstance(answer.body, bytes | str):
            kind = {"Content-Type": "application/octet-stream"}
            answer = replace(answer, headers=kind | {**answer.headers})
        return answer.encode({ANYWHERE: self.url, THIS_TASK: self.task_of(request)})
