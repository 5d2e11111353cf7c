"""A TCP server that speaks byte by byte what a test tells it to."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

Script = Callable[["Peer"], None]


@dataclass
class Request:
    """One request as the server received it."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """The server's end of one connection."""

    socket: socket.socket
    stopped: threading.Event
    requests: list[Request]

    def __post_init__(self) -> None:
        self.buffer = b""

    def _line(self) -> bytes:
        while b"\n" not in self.buffer:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("the client left")
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def receive(self) -> Request:
        """Read one whole request and note it."""
        first = self._line().decode()
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        size = int(headers.get("content-length", "0"))
        while len(self.buffer) < size:
            self.buffer += self.socket.recv(65536)
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        request = Request(first, headers, body)
        self.requests.append(request)
        return request

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def be_silent(self) -> None:
        self.stopped.wait()


class ScriptedServer:
    """Listen on loopback; the n-th connection plays the n-th script, then the last."""

    def __init__(self, *scripts: Script) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._scripts = scripts
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def posts(self) -> int:
        return sum(request.line.startswith("POST ") for request in self.requests)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._stopped.is_set():
                connection.close()
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.append(connection)
            self._start(self._play, script, connection)

    def _play(self, script: Script, connection: socket.socket) -> None:
        try:
            script(Peer(connection, self._stopped, self.requests))
        except OSError:
            pass  # the client gave up first, as some tests want it to
        finally:
            connection.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(timeout=5)
        self._listener.close()


def reply(
    body: bytes = b"{}",
    *,
    status: str = "200 OK",
    content_type: str = "application/json",
    length: int | None = None,
    headers: tuple[str, ...] = (),
) -> bytes:
    """Return the bytes of a reply; `length` makes Content-Length lie."""
    size = len(body) if length is None else length
    head = [f"HTTP/1.1 {status}", f"content-type: {content_type}"]
    head += [f"content-length: {size}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def answer(data: bytes) -> Script:
    """Answer one request and close."""

    def script(peer: Peer) -> None:
        peer.receive()
        peer.say(data)

    return script


def serve(*replies: bytes) -> Script:
    """Answer requests on one kept connection, the last reply again and again."""

    def script(peer: Peer) -> None:
        for turn in range(1_000):
            peer.receive()
            peer.say(replies[min(turn, len(replies) - 1)])

    return script
