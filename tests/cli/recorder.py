"""A server between a client and the sandbox that keeps each request as it came."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.fake_provider.http import Answer, Request
from tests.fake_provider.server import serve_in_threads

# What no two requests share, or what counts what another header says.
UNLIKE = frozenset({"content-length", "connection"})
_OF_THE_CONNECTION = frozenset({"content-length", "connection", "date", "server"})


class Recorded(Request):
    """One request as it arrived, to be compared with another."""

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith("multipart/")

    def essence(self) -> tuple[object, ...]:
        """Return all that a provider can see, without a form's random boundary.

        Links of uploads differ from one upload to the next.
        """
        headers = {k: v for k, v in self.headers.items() if k not in UNLIKE}
        content: object = re.sub(rb"/uploads?/[^\"]+", b"/UPLOAD", self.content)
        if self.is_form:
            headers["content-type"] = "multipart/form-data"
            content = self.parts()
        return self.method, self.path, headers, content

    def parts(self) -> list[tuple[dict[str, str], bytes]]:
        """Return the parts of a form: their headers and their content."""
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.content)
        assert not message.defects
        parts: list[Message] = message.get_payload()  # type: ignore[assignment]
        return [
            (
                {name.lower(): value for name, value in part.items()},
                part.get_payload(decode=True),  # type: ignore[misc]
            )
            for part in parts
        ]


class Recorder:
    """Passes every request on; what lies below `/pictures/` comes from itself."""

    def __init__(self, target: str, pictures: Mapping[str, bytes] = {}) -> None:
        self.target = target
        self.pictures = dict(pictures)
        self.requests: list[Recorded] = []
        self.url = ""
        self._serving = serve_in_threads(self)

    def __enter__(self) -> Self:
        self._serving.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._serving.__exit__(kind, error, trace)

    def answer(self, request: Request) -> Answer:
        """Keep a request, and return what the target answers."""
        if request.path.startswith("/pictures/"):
            return Answer(200, self.pictures[request.path])
        recorded = Recorded(
            request.method, request.path, request.headers, request.content
        )
        self.requests.append(recorded)
        return self._forward(recorded)

    def encode(self, request: Request, answer: Answer) -> bytes:
        """Return the bytes of an answer."""
        return answer.encode()

    def _forward(self, request: Recorded) -> Answer:
        target = urlsplit(self.target)
        connection = http.client.HTTPConnection(target.netloc)
        headers = {**request.headers, "host": target.netloc}
        connection.request(
            request.method, request.path, body=request.content, headers=headers
        )
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        passed_on = {
            name: value
            for name, value in reply.getheaders()
            if name.lower() not in _OF_THE_CONNECTION
        }
        return Answer(reply.status, body, passed_on)
