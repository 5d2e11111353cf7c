"""Limit and count the sockets of a transport.

Purchases are counted by their sender. Polls, downloads, uploads and all other requests
share the remaining sockets and wait here for a slot. They wait before anything is sent,
so waiting costs nothing.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from weakref import WeakSet

import anyio
import httpx

from batchgen.open_files import SHORTAGE

CLOSE_S = 2.0
"""Longest wait for the end of a transport: later, its sockets end with the process."""

HAS_OWN_SLOT = "has_own_slot"
"""Request extension: True for a purchase, which its sender has counted."""


class NoSocket(httpx.ConnectError):
    """This machine had no socket left for the request; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """How many sockets a transport may have open.

    Attributes:
        total: Sockets of all kinds, idle ones included.
        others: Requests at a time that are not purchases.
        kept_alive: Up to this number of open sockets, a connection stays open for the
            next request; beyond this number, it closes after its response.
    """

    total: float = inf
    others: float = inf
    kept_alive: float = inf


class RequestSlot:
    """The permission for one request that is not a purchase, until it is closed."""

    def __init__(self, limiter: anyio.CapacityLimiter | None) -> None:
        self._limiter = limiter

    def close(self) -> None:
        """Free the slot for the next request; a second call does nothing."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter.release_on_behalf_of(self)


class SocketCounter:
    """Counts the sockets of one transport."""

    def __init__(self, limits: SocketLimits | None = None) -> None:
        self._limits = limits or SocketLimits()
        self._others: anyio.CapacityLimiter | None = None
        self._open: WeakSet[socket.socket] = WeakSet()
        self._all_closed: anyio.Event | None = None

    async def slot(self, request: httpx.Request) -> RequestSlot:
        """Wait until a request may use a connection."""
        if self._limits.others == inf or request.extensions.get(HAS_OWN_SLOT):
            return RequestSlot(None)
        if self._others is None:  # created here, because it needs an event loop
            self._others = anyio.CapacityLimiter(self._limits.others)
        slot = RequestSlot(self._others)
        await self._others.acquire_on_behalf_of(slot)
        return slot

    @property
    def may_keep_alive(self) -> bool:
        """Whether a connection may stay open after its response."""
        return len(self._open) <= self._limits.kept_alive

    def open(self, create: Callable[[], socket.socket]) -> socket.socket:
        """Return a new socket that is counted until `discard`.

        Raises:
            OSError: no socket is left, by this count or by the system's.
        """
        # Below the system's limit: storing images needs files, too.
        if len(self._open) >= self._limits.total:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        new_socket = create()
        self._open.add(new_socket)
        return new_socket

    def discard(self, closed_socket: socket.socket) -> None:
        """Stop counting a socket."""
        self._open.discard(closed_socket)
        if self._all_closed is not None and not self._open:
            self._all_closed.set()

    async def aclose(self) -> None:
        """Shut down every socket that is still open.

        asyncio keeps a closed connection until its last bytes are sent. A peer that
        does not read would keep its socket open for ever.
        """
        if not self._open:
            return
        self._all_closed = anyio.Event()
        for open_socket in list(self._open):
            with suppress(OSError):  # the peer has closed it already
                open_socket.shutdown(socket.SHUT_RDWR)
        with anyio.move_on_after(CLOSE_S):
            await self._all_closed.wait()


def lacks_socket(error: Exception) -> bool:
    """Return whether a connection failed because no socket was left for it."""
    return isinstance(error, OSError) and error.errno in SHORTAGE
