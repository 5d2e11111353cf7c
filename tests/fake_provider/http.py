"""Requests as they arrive, and answers as they go over the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import h11


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived.

    Attributes:
        headers: Their names in lower case.
        content: The bytes of the body.
        row: Of which row of the manifest it is, where the provider keeps track of that.
        at_s: Monotonic time of its arrival.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes
    row: str = ""
    at_s: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """The last part of its path, with the query."""
        return self.path.rpartition("/")[2]

    @property
    def resource(self) -> str:
        """The last part of its path, without the query: as a rule, the id of a task."""
        return self.path.partition("?")[0].rpartition("/")[2]

    @property
    def is_purchase(self) -> bool:
        return self.method == "POST" and "upload" not in self.path

    @property
    def body(self) -> Any:
        """The JSON of the body, its bytes if it is none, None if there are none."""
        if self.content.startswith(b"{"):
            return json.loads(self.content)
        return self.content or None

    @property
    def prompt(self) -> str:
        """The prompt of a purchase, whichever provider it is for; empty without one."""
        if not self.content.startswith(b"{"):
            _, _, rest = self.content.lower().partition(b'name="prompt"')
            return rest.partition(b"\r\n\r\n")[2].partition(b"\r\n")[0].decode()
        if "contents" in self.body:
            return str(self.body["contents"][0]["parts"][0]["text"])
        return str(self.body.get("prompt", ""))


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent in reply.

    Attributes:
        status: 0 closes the connection without a byte.
        body: Bytes and text are sent as they stand, anything else as JSON.
        charge: What the provider adds to its bill.
        framing: How the end of the body is marked: by its `length`, in `chunks`, by
            `close`, or not at all (`cut` states a length that is larger).
        delay_s: How long the provider takes.
    """

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    charge: Decimal = Decimal(0)
    framing: str = "length"
    delay_s: float = 0.0

    def encode(self, replacements: Mapping[str, str] | None = None) -> bytes:
        """Return head and body as they go over the wire.

        Args:
            replacements: What is put into the body in the place of what.
        """
        headers = dict(self.headers)
        body = self.body
        if not isinstance(body, bytes | str):
            if not any(name.lower() == "content-type" for name in headers):
                headers["Content-Type"] = "application/json"
            body = json.dumps(body, ensure_ascii=False)
        data = body.encode() if isinstance(body, str) else body
        for old, new in (replacements or {}).items():
            data = data.replace(old.encode(), new.encode())
        headers["Connection"] = "close"
        if self.framing == "chunks":
            headers["Transfer-Encoding"] = "chunked"
            data = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
        elif self.framing != "close":
            missing = 1000 if self.framing == "cut" else 0
            headers["Content-Length"] = str(len(data) + missing)
        lines = [f"HTTP/1.1 {self.status} Answer"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + data


NO_ANSWER = Answer(0)
"""Closes the connection without a byte."""


class RequestReader:
    """Reads the one request of a connection out of what arrives."""

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self._head: h11.Request | None = None
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> Request | None:
        """Take in what arrived; return the request once it is whole."""
        self._connection.receive_data(data)
        while True:
            match self._connection.next_event():
                case h11.Request() as head:
                    self._head = head
                case h11.Data(data=piece):
                    self._pieces.append(bytes(piece))
                case h11.EndOfMessage():
                    return self._whole()
                case _:  # more must arrive
                    return None

    def _whole(self) -> Request:
        head = self._head
        assert head is not None
        headers = {name.decode(): value.decode() for name, value in head.headers}
        method, path = head.method.decode(), head.target.decode()
        return Request(method, path, headers, b"".join(self._pieces))
