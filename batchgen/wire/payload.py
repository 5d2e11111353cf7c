"""Write a body in chunks through aiohttp, and still read an answer that comes early."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from batchgen.wire.request_builder import RequestBody

_BROKEN = (BrokenPipeError, ConnectionResetError)


class BodyPayload(Payload):
    """A body of known size that aiohttp writes in chunks.

    `on_chunk` is called before each chunk after the first.
    """

    _value: RequestBody

    def __init__(self, body: RequestBody, on_chunk: Callable[[], None]) -> None:
        super().__init__(body)
        self._size = body.size
        self._on_chunk = on_chunk

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the chunks, each after the one before was sent."""
        for index, chunk in enumerate(self._value.chunks()):
            if index:
                self._on_chunk()
            await writer.write(chunk)

    def decode(self, *_: str, **__: str) -> str:
        """Refuse: only an authentication that hashes bodies would ask for it."""
        raise TypeError("a body in pieces is not read as text")


class PatientSocket(socket.socket):
    """A socket that reports a failed write only the second time.

    A server may answer an upload before its end (413) and close the connection. The
    next write fails, and asyncio then drops the connection together with the unread
    answer. After a "socket is busy" error instead, asyncio waits for the socket, and
    reads before it writes again.
    """

    _broke = False
    on_close: Callable[[socket.socket], None] | None = None

    def close(self) -> None:
        """Close the socket, and tell the counter of sockets."""
        if self.on_close is not None:
            self.on_close(self)
        super().close()

    def send(self, data: Any, flags: int = 0, /) -> int:
        try:
            return super().send(data, flags)
        except _BROKEN as error:
            raise self._as_busy_once(error) from error

    def sendmsg(self, buffers: Iterable[Any], *others: Any) -> int:
        # asyncio writes with this method from Python 3.12 on.
        try:
            return super().sendmsg(buffers, *others)
        except _BROKEN as error:
            raise self._as_busy_once(error) from error

    def _as_busy_once(self, error: OSError) -> OSError:
        broke_before, self._broke = self._broke, True
        return error if broke_before else BlockingIOError()


def patient_socket(
    address: AddrInfoType, on_close: Callable[[socket.socket], None] | None = None
) -> socket.socket:
    """Return a socket for an address, not connected yet."""
    family, kind, protocol, *_ = address
    new_socket = PatientSocket(family, kind, protocol)
    new_socket.on_close = on_close
    return new_socket
