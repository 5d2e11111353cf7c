"""Where requests are answered: in the event loop of a test, or in threads.

Each connection carries one request, so that no answer waits for another.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import anyio
from anyio.abc import SocketAttribute, SocketStream

from tests.fake_provider.http import Answer, Request, RequestReader

_PIECE = 1 << 18


class Provider(Protocol):
    """What a server asks for its answers."""

    url: str

    def answer(self, request: Request) -> Answer:
        """Answer a request that has arrived; only one is answered at a time."""
        ...

    def encode(self, request: Request, answer: Answer) -> bytes:
        """Return the bytes of an answer."""
        ...


@asynccontextmanager
async def serve_in_loop(provider: Provider) -> AsyncIterator[None]:
    """Serve in the event loop of the test until the block ends."""

    async def handle(stream: SocketStream) -> None:
        try:
            await _handle(provider, stream)
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return  # the client went away

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    provider.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle, tasks)
        yield
        tasks.cancel_scope.cancel()


async def _handle(provider: Provider, stream: SocketStream) -> None:
    async with stream:
        reader = RequestReader()
        while (request := reader.feed(await stream.receive(_PIECE))) is None:
            pass
        answer = provider.answer(request)
        if answer.delay_s:
            await anyio.sleep(answer.delay_s)
        if answer.status:
            await stream.send(provider.encode(request, answer))


@contextmanager
def serve_in_threads(
    provider: Provider, tls: ssl.SSLContext | None = None
) -> Iterator[None]:
    """Serve in threads until the block ends; one answers at a time, any may wait.

    Args:
        provider: Who answers.
        tls: What certificate is shown; without one it is plain HTTP.
    """
    lock = threading.Lock()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                # The handshake belongs to the connection's own thread.
                with _secured(self.request, tls) as connection:
                    _handle_in_thread(provider, connection, lock)
            except OSError:
                return  # the client went away, or did not like the certificate

    with _Listener(("127.0.0.1", 0), Handler) as listener:
        provider.url = f"http://127.0.0.1:{listener.server_address[1]}"
        thread = threading.Thread(
            target=listener.serve_forever, args=(0.02,), daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            listener.shutdown()


def _secured(connection: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
    return connection if tls is None else tls.wrap_socket(connection, server_side=True)


def _handle_in_thread(
    provider: Provider, connection: socket.socket, lock: threading.Lock
) -> None:
    reader = RequestReader()
    request = None
    while request is None:
        data = connection.recv(_PIECE)
        if not data:
            return
        request = reader.feed(data)
    with lock:
        answer = provider.answer(request)
    if answer.delay_s:
        time.sleep(answer.delay_s)
    if answer.status:
        connection.sendall(provider.encode(request, answer))


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
