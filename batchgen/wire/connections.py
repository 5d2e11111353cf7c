"""How many sockets a transport has, and who may open one more.

Purchases have places of their own, which whoever sends them counts. Polls, downloads,
uploads and all other requests share what is left, and wait here for their turn: before
anything leaves, so waiting costs nothing.
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
"""How long the end of a transport may take: what is left then ends with the process."""

OWN_PLACE = "has_own_place"
"""Request extension: whether the sender counted this request among its purchases."""


class NoSocket(httpx.ConnectError):
    """This machine had no socket left for the request; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """What a transport may have open.

    Attributes:
        total: Sockets of all kinds, idle ones included.
        others: Requests at a time that are no purchases.
        kept_alive: As long as no more sockets than this are open, a connection stays
            open for the next request; beyond it, each ends with its response.
    """

    total: float = inf
    others: float = inf
    kept_alive: float = inf


class Turn:
    """A request's turn among the others, until it is closed."""

    def __init__(self, limiter: anyio.CapacityLimiter | None) -> None:
        self._limiter = limiter

    def close(self) -> None:
        """Let the next one have its turn; nothing happens the second time."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter.release_on_behalf_of(self)


class Connections:
    """Counts the sockets of one transport."""

    def __init__(self, limits: SocketLimits | None = None) -> None:
        self._limits = limits or SocketLimits()
        self._others: anyio.CapacityLimiter | None = None
        self._open: WeakSet[socket.socket] = WeakSet()
        self._all_closed: anyio.Event | None = None

    async def turn(self, request: httpx.Request) -> Turn:
        """Wait until a request may have a connection."""
        if self._limits.others == inf or request.extensions.get(OWN_PLACE):
            return Turn(None)
        if self._others is None:  # it can only be made where an event loop runs
            self._others = anyio.CapacityLimiter(self._limits.others)
        turn = Turn(self._others)
        await self._others.acquire_on_behalf_of(turn)
        return turn

    @property
    def stay_open(self) -> bool:
        """Whether a connection may stay open behind its response."""
        return len(self._open) <= self._limits.kept_alive

    def open(self, opening: Callable[[], socket.socket]) -> socket.socket:
        """Return a new socket that is counted until `closed`.

        Raises:
            OSError: there is none left, by our own count or by the system's.
        """
        # Below the system's limit: what is left there is for storing what comes.
        if len(self._open) >= self._limits.total:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        opened = opening()
        self._open.add(opened)
        return opened

    def closed(self, closed: socket.socket) -> None:
        """Count a socket no more."""
        self._open.discard(closed)
        if self._all_closed is not None and not self._open:
            self._all_closed.set()

    async def aclose(self) -> None:
        """End every socket that is still open.

        asyncio keeps a closed connection until its last bytes have left, and a peer
        that does not read a body would keep its socket open for good.
        """
        if not self._open:
            return
        self._all_closed = anyio.Event()
        for opened in list(self._open):
            with suppress(OSError):  # the peer has left already
                opened.shutdown(socket.SHUT_RDWR)
        with anyio.move_on_after(CLOSE_S):
            await self._all_closed.wait()


def lacks_socket(error: Exception) -> bool:
    """Say whether a connection failed because no socket was left for it."""
    return isinstance(error, OSError) and error.errno in SHORTAGE
