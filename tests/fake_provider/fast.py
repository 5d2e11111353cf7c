"""A server in a process of its own, faster than what is measured or counted against it.

Each kind of it answers from memory; what it shares is here.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a bare protocol is the fastest server there is
import json
import sys
from collections.abc import Callable

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


def reply(media_type: bytes, body: bytes, headers: bytes = b"") -> bytes:
    """Return a response; each of the further headers ends with a line break."""
    return HEAD % (media_type, len(body), headers) + body


def json_reply(document: object) -> bytes:
    return reply(b"application/json", json.dumps(document).encode())


class FastConnection(asyncio.Protocol):
    """Reads the requests of one connection, one after the other."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        # A body that does not fit into the socket is not copied again and again.
        transport.set_write_buffer_limits(high=1 << 26)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer when a request is whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        fields = head.lower()
        _, has_body, rest = fields.partition(b"content-length:")
        if has_body and len(body) < int(rest.split()[0]):
            return
        self._received = b""
        method, path, _ = head.split(b" ", 2)
        authority = fields.partition(b"\r\nhost:")[2].split()[0]
        self.answer(method, path, authority)

    def answer(self, method: bytes, path: bytes, authority: bytes) -> None:
        """Answer a request, now or later."""
        raise NotImplementedError


async def serve(connection: Callable[[], FastConnection]) -> None:
    """Serve until the process is ended; the first line says the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()
