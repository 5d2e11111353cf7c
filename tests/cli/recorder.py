"""A server between a client and the sandbox that keeps each request as it came."""

from __future__ import annotations

import http.client
import re
import threading
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

# What no two requests share, or what counts what another header says.
UNLIKE = frozenset({"content-length", "connection"})


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith("multipart/")

    def essence(self) -> tuple[object, ...]:
        """Return all that a provider can see, without a form's random boundary.

        Links of uploads differ from one upload to the next.
        """
        headers = {k: v for k, v in self.headers.items() if k not in UNLIKE}
        content: object = re.sub(rb"/uploads?/[^\"]+", b"/UPLOAD", self.body)
        if self.is_form:
            headers["content-type"] = "multipart/form-data"
            content = self.parts()
        return self.method, self.path, headers, content

    def parts(self) -> list[tuple[dict[str, str], bytes]]:
        """Return the parts of a form: their headers and their content."""
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        assert not message.defects
        parts: list[Message] = message.get_payload()  # type: ignore[assignment]
        return [
            (
                {name.lower(): value for name, value in part.items()},
                part.get_payload(decode=True),  # type: ignore[misc]
            )
            for part in parts
        ]


@dataclass
class Recorder:
    """Passes every request on; what lies below `/pictures/` it serves itself."""

    target: str
    pictures: dict[str, bytes] = field(default_factory=dict)
    requests: list[Recorded] = field(default_factory=list)

    def __enter__(self) -> Self:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                recorder.handle(self)

            do_GET = do_POST = pass_on  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("content-length", "0"))
        body = handler.rfile.read(size)
        if handler.path.startswith("/pictures/"):
            self._answer(handler, 200, {}, self.pictures[handler.path])
            return
        headers = {name.lower(): value for name, value in handler.headers.items()}
        recorded = Recorded(handler.command, handler.path, headers, body)
        self.requests.append(recorded)
        self._answer(handler, *self._forward(recorded))

    def _forward(self, request: Recorded) -> tuple[int, dict[str, str], bytes]:
        target = urlsplit(self.target)
        connection = http.client.HTTPConnection(target.netloc)
        headers = request.headers | {"host": target.netloc}
        connection.request(
            request.method, request.path, body=request.body, headers=headers
        )
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        kept = {
            name: value
            for name, value in reply.getheaders()
            if name.lower() not in ("content-length", "connection", "date", "server")
        }
        return reply.status, kept, body

    def _answer(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        headers: dict[str, str],
        body: bytes,
    ) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
