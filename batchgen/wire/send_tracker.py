"""Whether a request was sent, and what an error of aiohttp means before and after.

Before the first byte is sent, errors become ConnectError, ConnectTimeout or ProxyError
(UnsupportedProtocol for a URL that cannot be used); after it, never.
"""

from __future__ import annotations

# aiohttp needs asyncio, so this module may use it, too.
import asyncio  # noqa: TID251 - see the line above
from collections.abc import Callable
from contextvars import ContextVar

import aiohttp
import httpx
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from batchgen.wire.connect_errors import (
    CertificateUntrusted,
    ProxyRefused,
    certificate_message,
    is_refusal,
    refusal_message,
)
from batchgen.wire.proxies import Proxy

AIOHTTP_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)


class _SecondSend(aiohttp.ClientConnectionError):
    """aiohttp tried to send a request a second time."""


class SendTracker:
    """Know whether a request was sent, and how long to wait for its reply."""

    def __init__(self, request: httpx.Request, read_s: float | None) -> None:
        self.was_sent = False
        self.is_finished = False
        self.had_no_socket = False  # for one of the addresses of the host
        self.may_keep_alive: Callable[[], bool] = lambda: True
        self.proxy: Proxy | None = None
        self._host = request.url.host
        self.head_timeout = asyncio.timeout(None)
        self._may_repeat = request.method == "GET"
        self._on_sent: Callable[[], None] | None = request.extensions.get("on_sent")
        self._read_s = read_s

    def mark_sent(self) -> None:
        """Note that the first byte is about to be sent.

        aiohttp sends some requests again when a reused connection turns out closed.
        It must never do so with a purchase.
        """
        if self.was_sent and not self._may_repeat:
            raise _SecondSend("the connection broke after the request had left")
        if not self.was_sent and self._on_sent is not None:
            self._on_sent()
        self.was_sent = True
        self.restart_head_timeout()

    def restart_head_timeout(self) -> None:
        """Wait for the reply's head from now on: the request is still being sent."""
        if self._read_s is None or self.is_finished:
            return
        now = asyncio.get_running_loop().time()
        self.head_timeout.reschedule(now + self._read_s)

    def explain(self, error: Exception) -> httpx.HTTPError:
        """Translate an error of aiohttp."""
        if self.was_sent:
            return error_after_send(error)
        return self._error_before_send(error)

    def _error_before_send(self, error: Exception) -> httpx.HTTPError:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return self._certificate_error(error)
        if self.proxy is not None:
            return _proxy_error(self.proxy, self._host, error)
        return _error_before_send(error)

    def _certificate_error(
        self, error: aiohttp.ClientConnectorCertificateError
    ) -> CertificateUntrusted:
        """Return whose certificate is not accepted: the server's, or the proxy's."""
        place, proxy = self._host, self.proxy
        if proxy is not None and proxy.is_at(error.host, error.port):
            place = f"the proxy {proxy.place}"
        return CertificateUntrusted(certificate_message(place, error.certificate_error))


current_tracker: ContextVar[SendTracker] = ContextVar("current_tracker")
"""The tracker of the request that the running task sends."""


class Request(aiohttp.ClientRequest):
    """Calls the tracker when the connection is open and no byte was sent yet.

    Where sockets are scarce, the connection is closed after the response.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        tracker = current_tracker.get()
        tracker.mark_sent()
        if conn.protocol is not None and not tracker.may_keep_alive():
            conn.protocol.force_close()
        return await super().send(conn)


def _error_before_send(error: Exception) -> httpx.HTTPError:
    text = str(error) or type(error).__name__
    match error:
        case TimeoutError():
            return httpx.ConnectTimeout(text)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol(text)
        case _:
            return httpx.ConnectError(text)


def _proxy_error(proxy: Proxy, host: str, error: Exception) -> httpx.HTTPError:
    """Translate an error of aiohttp before a request was sent to a proxy.

    The text of the error is left out where it names the URL of the request.
    """
    place = f"the proxy {proxy.place}"
    match error:
        case aiohttp.ClientHttpProxyError() if is_refusal(error.status):
            return ProxyRefused(refusal_message(proxy, error.status, host))
        case aiohttp.ClientResponseError():
            reason = f"{error.status} {error.message}".strip()
            return httpx.ProxyError(f"{place} opens no connection to it ({reason})")
        case TimeoutError():
            return httpx.ConnectTimeout(f"{place} opened none in time")
        case aiohttp.ClientConnectorError() if proxy.is_at(error.host, error.port):
            reason = error.strerror or str(error.os_error) or "no answer"
            return httpx.ProxyError(f"{place} cannot be reached ({reason})")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientConnectionResetError():
            return httpx.ProxyError(f"{place} closed the connection")
        case _:
            return _error_before_send(error)


def error_after_send(error: Exception) -> httpx.HTTPError:
    """Translate an error of aiohttp after a request was sent."""
    text = str(error) or type(error).__name__
    match error:
        case TimeoutError():
            return httpx.ReadTimeout(str(error) or "the reply did not begin in time")
        case aiohttp.ClientConnectionResetError():
            return httpx.WriteError(text)
        case aiohttp.ClientResponseError():
            # Not str(error): that shows the URL, and the signature of a signed link.
            return httpx.RemoteProtocolError(error.message)
        case (
            aiohttp.ServerDisconnectedError()
            | aiohttp.ClientPayloadError()
            | HttpProcessingError()
        ):
            return httpx.RemoteProtocolError(text)
        case _:
            return httpx.ReadError(text)
