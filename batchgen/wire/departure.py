"""Whether one request has left, and what a failure of aiohttp means before and after.

Before the first byte leaves, failures are ConnectError, ConnectTimeout or ProxyError
(UnsupportedProtocol for a URL that cannot be used); after it, never.
"""

from __future__ import annotations

# aiohttp lives on asyncio, and with it what stands beside it.
import asyncio  # noqa: TID251 - see the line above
from collections.abc import Callable
from contextvars import ContextVar

import aiohttp
import httpx
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from batchgen.wire.handshake import (
    CertificateUntrusted,
    ProxyRefused,
    certificate_words,
    is_refusal,
    refusal_words,
)
from batchgen.wire.proxies import Proxy

FOREIGN = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)


class _SentBefore(aiohttp.ClientConnectionError):
    """The library wanted to send a request a second time."""


class Departure:
    """Know whether one request has left, and how long its reply may be awaited."""

    def __init__(self, request: httpx.Request, read_s: float | None) -> None:
        self.left = False
        self.over = False
        self.lacked_socket = False  # for one of the addresses that were tried
        self.stay_open: Callable[[], bool] = lambda: True
        self.proxy: Proxy | None = None
        self._host = request.url.host
        self.patience = asyncio.timeout(None)
        self._may_repeat = request.method == "GET"
        self._told: Callable[[], None] | None = request.extensions.get("on_sent")
        self._read_s = read_s

    def leave(self) -> None:
        """Note that the next thing to happen is the first byte on the wire.

        aiohttp sends some requests again when a reused connection turns out closed.
        A purchase must not be among them, whatever method or version it has.
        """
        if self.left and not self._may_repeat:
            raise _SentBefore("the connection broke after the request had left")
        if not self.left and self._told is not None:
            self._told()
        self.left = True
        self.wait_anew()

    def wait_anew(self) -> None:
        """Start the wait for the reply's head again: bytes are on their way."""
        if self._read_s is None or self.over:
            return
        now = asyncio.get_running_loop().time()
        self.patience.reschedule(now + self._read_s)

    def explain(self, error: Exception) -> httpx.HTTPError:
        """Translate an error of aiohttp."""
        return lost(error) if self.left else self._never_sent(error)

    def _never_sent(self, error: Exception) -> httpx.HTTPError:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return self._untrusted(error)
        if self.proxy is not None:
            return _not_through(self.proxy, self._host, error)
        return _never_sent(error)

    def _untrusted(
        self, error: aiohttp.ClientConnectorCertificateError
    ) -> CertificateUntrusted:
        """Say whose certificate is not accepted: the server's, or the proxy's."""
        place, proxy = self._host, self.proxy
        if proxy is not None and proxy.is_at(error.host, error.port):
            place = f"the proxy {proxy.place}"
        return CertificateUntrusted(certificate_words(place, error.certificate_error))


departing: ContextVar[Departure] = ContextVar("departing")
"""The departure of the request that the running task sends."""


class Request(aiohttp.ClientRequest):
    """Tells the departure when the connection stands, and no byte has left.

    Where sockets are scarce, the connection is closed behind the response.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        departure = departing.get()
        departure.leave()
        if conn.protocol is not None and not departure.stay_open():
            conn.protocol.force_close()
        return await super().send(conn)


def _never_sent(error: Exception) -> httpx.HTTPError:
    text = str(error) or type(error).__name__
    match error:
        case TimeoutError():
            return httpx.ConnectTimeout(text)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol(text)
        case _:
            return httpx.ConnectError(text)


def _not_through(proxy: Proxy, host: str, error: Exception) -> httpx.HTTPError:
    """Translate an error of aiohttp before a request left for a proxy.

    Its own text is not repeated where it names the URL of the request.
    """
    place = f"the proxy {proxy.place}"
    match error:
        case aiohttp.ClientHttpProxyError() if is_refusal(error.status):
            return ProxyRefused(refusal_words(proxy, error.status, host))
        case aiohttp.ClientResponseError():
            words = f"{error.status} {error.message}".strip()
            return httpx.ProxyError(f"{place} opens no connection to it ({words})")
        case TimeoutError():
            return httpx.ConnectTimeout(f"{place} opened none in time")
        case aiohttp.ClientConnectorError() if proxy.is_at(error.host, error.port):
            words = error.strerror or str(error.os_error) or "no answer"
            return httpx.ProxyError(f"{place} cannot be reached ({words})")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientConnectionResetError():
            return httpx.ProxyError(f"{place} closed the connection")
        case _:
            return _never_sent(error)


def lost(error: Exception) -> httpx.HTTPError:
    """Translate an error of aiohttp after a request has left."""
    text = str(error) or type(error).__name__
    match error:
        case TimeoutError():
            return httpx.ReadTimeout(str(error) or "the reply did not begin in time")
        case aiohttp.ClientConnectionResetError():
            return httpx.WriteError(text)
        case aiohttp.ClientResponseError():
            # Its own text shows the URL, and with it the signature of a signed link.
            return httpx.RemoteProtocolError(error.message)
        case (
            aiohttp.ServerDisconnectedError()
            | aiohttp.ClientPayloadError()
            | HttpProcessingError()
        ):
            return httpx.RemoteProtocolError(text)
        case _:
            return httpx.ReadError(text)
