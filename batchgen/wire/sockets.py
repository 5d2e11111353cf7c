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
from dataclasses import dataclass
from math import inf
from weakref import WeakSet

import anyio
import httpx

from batchgen.open_files import SHORTAGE

HAS_OWN_SLOT = "has_own_slot"
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


class RequestSlot:
    """A request's turn among the others, until it is closed."""

    def __init__(self, limiter: anyio.CapacityLimiter | None) -> None:
        self._limiter = limiter

    def close(self) -> None:
        """Let the next one have its turn; nothing happens the second time."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter.release_on_behalf_of(self)


class SocketCounter:
    """Counts the sockets of one transport."""

    def __init__(self, limits: SocketLimits | None = None) -> None:
        self._limits = limits or SocketLimits()
        self._others: anyio.CapacityLimiter | None = None
        self._open: WeakSet[socket.socket] = WeakSet()

    async def slot(self, request: httpx.Request) -> RequestSlot:
        """Wait until a request may have a connection."""
        if self._limits.others == inf or request.extensions.get(HAS_OWN_SLOT):
            return RequestSlot(None)
        if self._others is None:  # it can only be made where an event loop runs
            self._others = anyio.CapacityLimiter(self._limits.others)
        slot = RequestSlot(self._others)
        await self._others.acquire_on_behalf_of(slot)
        return slot

    @property
    def may_keep_alive(self) -> bool:
        """Whether a connection may stay open behind its response."""
        return len(self._open) <= self._limits.kept_alive

    def open(self, create: Callable[[], socket.socket]) -> socket.socket:
        """Return a new socket that is counted until `closed`.

        Raises:
            OSError: there is none left, by our own count or by the system's.
        """
        # Below the system's limit: what is left there is for storing what comes.
        if len(self._open) >= self._limits.total:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        new_socket = create()
        self._open.add(new_socket)
        return new_socket

    def closed(self, closed: socket.socket) -> None:
        """Count a socket no more."""
        self._open.discard(closed)


def lacks_socket(error: Exception) -> bool:
    """Say whether a connection failed because no socket was left for it."""
    return isinstance(error, OSError) and error.errno in SHORTAGE
