"""A service on loopback that answers as told, byte for byte, and keeps its bill."""

from __future__ import annotations

import hashlib
import json
import socket
import socketserver
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

PRICE = Decimal("0.05")
ANYWHERE = "http://127.0.0.1:8000"
"""Stands for the server's address in bodies; so it does in the files of replies."""
THIS_TASK = "task_01"
"""Stands in a poll's answer for the task that was asked for."""


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


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived.

    Attributes:
        row: Last word of the prompt, which is the row's id; of a poll, that of its
            task; empty where there is none.
        at_s: Monotonic time of its arrival.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    row: str
    at_s: float

    @property
    def is_purchase(self) -> bool:
        return self.method == "POST" and "upload" not in self.path

    @property
    def fields(self) -> dict[str, Any]:
        """Return the JSON of the body."""
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent in reply.

    Attributes:
        body: Bytes and text are sent as they stand, anything else as JSON.
        charge: What the service adds to its bill.
        framing: How the end of the body is told: by its `length`, in `chunks`, by
            `close`, or not at all (`cut` says a length that is larger).
        delay_s: How long the service takes.
    """

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    charge: Decimal = Decimal(0)
    framing: str = "length"
    delay_s: float = 0.0

    def write(self, address: str, task: str) -> bytes:
        """Return head and body as they go over the wire."""
        headers = dict(self.headers)
        body = self.body
        if not isinstance(body, bytes | str):
            headers.setdefault("Content-Type", "application/json")
            body = json.dumps(body, ensure_ascii=False)
        if isinstance(body, str):
            body = body.encode()
        body = body.replace(ANYWHERE.encode(), address.encode())
        body = body.replace(THIS_TASK.encode(), task.encode())
        headers.setdefault("Content-Type", "application/octet-stream")
        headers["Connection"] = "close"
        if self.framing == "chunks":
            headers["Transfer-Encoding"] = "chunked"
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif self.framing != "close":
            size = len(body) + (1000 if self.framing == "cut" else 0)
            headers["Content-Length"] = str(size)
        head = [f"HTTP/1.1 {self.status} Answer"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*head, "", ""]).encode() + body


Reply = Answer | Callable[[Request], Answer]
NO_ANSWER = Answer(0)
"""Closes the connection without a byte."""


def picture(content: bytes, **headers: str) -> Answer:
    """Answer with the bytes of an image."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, content, {"Content-Type": "image/png", **names})


class Service:
    """One service: rows, polls and links may be given answers of their own.

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
        self._turns: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Listener(("127.0.0.1", 0), self._serve)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

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

    # -- what is answered

    def accept(self, row: str) -> str:
        """Take a task on and return its id."""
        task = f"job-{len(self.tasks) + 1:04}"
        self.tasks[task] = row
        return task

    def choose(self, request: Request) -> Answer:
        """Return the answer to a request; the caller holds the lock."""
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

    def _serve(self, connection: socket.socket) -> None:
        request = _read(connection, self.tasks)
        with self._lock:
            self.requests.append(request)
            answer = self.choose(request)
            self.bill += answer.charge
        if answer.delay_s:
            time.sleep(answer.delay_s)
        if answer.status:
            task = request.path.partition("?")[0].rpartition("/")[2]
            connection.sendall(answer.write(self.url, task))


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], serve: Callable[[socket.socket], None]
    ) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    serve(self.request)
                except OSError:
                    return  # the client went away

        super().__init__(address, Handler)


def _read(connection: socket.socket, tasks: Mapping[str, str]) -> Request:
    with connection.makefile("rb") as stream:
        first = stream.readline().decode()
        if not first:
            raise ConnectionError("nothing came")
        headers: dict[str, str] = {}
        while line := stream.readline().strip().decode():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        else:
            body = stream.read(int(headers.get("content-length", "0")))
    method, path, _ = first.split(" ")
    row = _prompt(body).rpartition(" ")[2] if method == "POST" else ""
    row = row or tasks.get(path.partition("?")[0].rpartition("/")[2], "")
    return Request(method, path, headers, body, row, time.monotonic())


def _prompt(body: bytes) -> str:
    """Return the prompt of a purchase, whichever service it is for."""
    if not body.startswith(b"{"):
        _, _, rest = body.lower().partition(b'name="prompt"')
        return rest.partition(b"\r\n\r\n")[2].partition(b"\r\n")[0].decode()
    document = json.loads(body)
    if "contents" in document:
        return str(document["contents"][0]["parts"][0]["text"])
    return str(document.get("prompt", ""))
