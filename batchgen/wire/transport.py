"""Carry httpx requests over aiohttp, and know exactly whether a request was sent.

httpx's own pool looks at all connections for each request, which is quadratic;
aiohttp's pool does not.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache, partial
from itertools import chain, repeat
from typing import Self, cast

import aiohttp
import anyio
import httpx
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from batchgen.open_files import PATIENCE_S, PAUSES_S, may_open, shortage_message
from batchgen.threads import few_threads_message
from batchgen.wire.address_scope import (
    AddressForbidden,
    AddressScope,
    allows,
    check_host,
)
from batchgen.wire.certificates import create_tls_context
from batchgen.wire.connect_errors import proxy_error_of
from batchgen.wire.payload import BodyPayload, patient_socket
from batchgen.wire.proxies import Proxy, find_proxy, read_proxies
from batchgen.wire.request_builder import RequestBody
from batchgen.wire.send_tracker import (
    AIOHTTP_ERRORS,
    Request,
    SendTracker,
    current_tracker,
    error_after_send,
)
from batchgen.wire.sockets import (
    NoSocket,
    RequestSlot,
    SocketCounter,
    SocketLimits,
    lacks_socket,
)

# Many servers close idle connections after 5 s. A POST that meets such a close is an
# outcome that nobody can know, so an idle connection is dropped before that.
KEEPALIVE_S = 4.0

# A reply that is paid for must not be lost to a long header (aiohttp's limit is 8 KB).
HEADER_LIMIT_BYTES = 64 * 1024

_VERSION = {"http_version": b"HTTP/1.1"}


class ScopedResolver(AbstractResolver):
    """Return only addresses in the scope.

    The connection uses the very addresses that are returned here. So a name cannot
    escape the check by resolving differently the next time.
    """

    def __init__(self, resolver: AbstractResolver, scope: AddressScope) -> None:
        self._resolver = resolver
        self._scope = scope

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        """Return the addresses of a name that are in the scope.

        Raises:
            AddressForbidden: the name has only others.
            OSError: the name cannot be resolved, or not now.
        """
        try:
            addresses = await self._resolver.resolve(host, port, family)
        except RuntimeError as error:  # no thread can be started for the lookup
            raise OSError(errno.ENOMEM, few_threads_message()) from error
        allowed = [
            address for address in addresses if allows(self._scope, address["host"])
        ]
        if addresses and not allowed:
            raise AddressForbidden(f"{host} does not lead to a {self._scope} address")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


class _Response(aiohttp.ClientResponse):
    """Keep the protocol, which knows how its connection ended."""

    connection_error: Callable[[], BaseException | None]

    async def start(self, connection: aiohttp.connector.Connection) -> Self:
        if connection.protocol is not None:
            self.connection_error = connection.protocol.exception
        await super().start(connection)
        return self


class _Body(httpx.AsyncByteStream):
    """The body of one response, in the chunks in which it arrives."""

    def __init__(self, response: _Response, slot: RequestSlot) -> None:
        self._response = response
        self._slot = slot

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._response.content.readany()
        except AIOHTTP_ERRORS as error:
            raise error_after_send(error) from error
        # Without a declared length, the end of the connection ends the body. To aiohttp
        # such a body looks complete even when the connection was reset.
        failure = None if chunk else self._response.connection_error()
        if isinstance(failure, OSError):
            raise error_after_send(failure) from failure
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._response.close()
        self._slot.close()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """An httpx transport that holds thousands of connections.

    Of httpx's timeouts it respects `connect` (name, connection and TLS together) and
    `read` up to the reply's head; the reader of the body has its own timeouts.
    Request extensions: `address_scope` limits the addresses of connections, `on_sent`
    is called before the first byte is sent, `has_own_slot` marks a purchase, which its
    sender has counted (see `sockets`). The transport follows no redirect, keeps no
    cookie and decodes no body. Behind a proxy, the proxy decides on addresses.
    """

    def __init__(
        self,
        *,
        use_proxy: bool = True,
        resolver: AbstractResolver | None = None,
        sockets: SocketLimits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._sockets = SocketCounter(sockets)
        self._proxies = read_proxies() if use_proxy else {}
        self._tls = create_tls_context() if tls is None else tls
        self._resolver = resolver
        self._sessions: dict[AddressScope, aiohttp.ClientSession] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        slot = await self._sockets.slot(request)
        try:
            response = await self._respond(request)
        except BaseException:
            slot.close()
            raise
        return httpx.Response(
            status_code=response.status,
            headers=response.raw_headers,
            stream=_Body(response, slot),
            request=request,
            extensions=_VERSION,
        )

    async def _respond(self, request: httpx.Request) -> _Response:
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        connect_s = limits.get("connect")
        tracker = SendTracker(request, limits.get("read"))
        tracker.may_keep_alive = lambda: self._sockets.may_keep_alive
        token = current_tracker.set(tracker)
        try:
            async with tracker.head_timeout:
                return await self._send_when_socket_free(request, tracker, connect_s)
        except AIOHTTP_ERRORS as error:
            raise tracker.explain(error) from error
        finally:
            current_tracker.reset(token)
            tracker.is_finished = True

    async def _send_when_socket_free(
        self, request: httpx.Request, tracker: SendTracker, connect_s: float | None
    ) -> _Response:
        """Send a request, and wait while the machine has no socket left for it.

        Raises:
            NoSocket: there was none for as long as a connection may take.
        """
        ends_at = anyio.current_time() + (connect_s or PATIENCE_S)
        for pause_s in chain(PAUSES_S, repeat(PAUSES_S[-1])):
            tracker.had_no_socket = False
            try:
                return await self._send(request, tracker, connect_s)
            except AIOHTTP_ERRORS as error:
                if tracker.was_sent or not _is_shortage(tracker, error):
                    raise
                if anyio.current_time() > ends_at:
                    raise NoSocket(_shortage_message(error)) from error
            await anyio.sleep(pause_s)
        raise AssertionError  # the loop has no end

    async def _send(
        self,
        request: httpx.Request,
        tracker: SendTracker,
        connect_s: float | None,
    ) -> _Response:
        scope: AddressScope = request.extensions.get("address_scope", AddressScope.ANY)
        check_host(request.url.host, scope)
        proxy = tracker.proxy = find_proxy(request.url, self._proxies)
        session = self._session(scope if proxy is None else AddressScope.ANY)
        body = request.stream
        if not isinstance(body, RequestBody):
            body = RequestBody([await request.aread()])
        is_tunnel, for_proxy = request.url.scheme == "https", _proxy_headers(proxy)
        headers = _as_text(request.headers)
        headers += [] if is_tunnel else for_proxy.items()
        response = await session.request(
            request.method,
            _as_yarl(request.url),
            headers=headers,
            data=BodyPayload(body, tracker.restart_head_timeout) if body.size else None,
            allow_redirects=False,
            proxy=None if proxy is None else yarl.URL(proxy.url),
            proxy_headers=for_proxy if is_tunnel else None,
            timeout=_timeout(connect_s),
        )
        if proxy is not None and not is_tunnel:
            # Without a tunnel, the answer may come from the proxy itself.
            failure = proxy_error_of(
                proxy, request.url.host, response.status, response.headers
            )
            if failure is not None:
                response.close()
                raise failure
        # The session was made with this response class; its annotations cannot say so.
        return cast(_Response, response)

    def _session(self, scope: AddressScope) -> aiohttp.ClientSession:
        # One pool for each scope: a link must not reuse a connection to an address that
        # only the provider's own calls may use.
        session = self._sessions.get(scope)
        if session is None:
            session = self._sessions[scope] = self._create_session(scope)
        return session

    def _create_session(self, scope: AddressScope) -> aiohttp.ClientSession:
        resolver = self._resolver or aiohttp.ThreadedResolver()
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=KEEPALIVE_S,
            ssl=self._tls,
            resolver=ScopedResolver(resolver, scope),
            socket_factory=partial(_scoped_socket, scope, self._sockets),
        )
        return aiohttp.ClientSession(
            connector=connector,
            request_class=Request,
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            # aiohttp would also read passwords from ~/.netrc.
            trust_env=False,
            skip_auto_headers=(
                "Accept",
                "Accept-Encoding",
                "Content-Type",
                "User-Agent",
            ),
            max_line_size=HEADER_LIMIT_BYTES,
            max_field_size=HEADER_LIMIT_BYTES,
            max_headers=1024,
        )

    async def aclose(self) -> None:
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.close()
        await self._sockets.aclose()


def _is_shortage(tracker: SendTracker, error: Exception) -> bool:
    """Return whether a request failed because this machine has no socket left."""
    # aiohttp keeps only the text of the errors of several addresses. And without a free
    # file, a name lookup fails like any other name lookup.
    if tracker.had_no_socket or lacks_socket(error):
        return True
    return isinstance(error, aiohttp.ClientConnectorDNSError) and not may_open()


def _shortage_message(error: Exception) -> str:
    # If no thread could be started to look up a name, the resolver's message says so.
    if isinstance(error, aiohttp.ClientConnectorDNSError) and lacks_socket(error):
        return error.os_error.strerror or shortage_message()
    return shortage_message()


def _scoped_socket(
    scope: AddressScope, sockets: SocketCounter, address: aiohttp.AddrInfoType
) -> socket.socket:
    """Return a socket for the address of the next connection.

    The resolver checks only the addresses of names. A host that aiohttp reads as an
    address, in older versions even `2130706433`, is checked here.

    Raises:
        AddressForbidden: the address is not in the scope.
        OSError: there is no socket left.
    """
    host = str(address[4][0])
    if not allows(scope, host):
        raise AddressForbidden(f"{host} is not a {scope} address")
    try:
        return sockets.open(lambda: patient_socket(address, sockets.discard))
    except OSError as error:
        current_tracker.get().had_no_socket |= lacks_socket(error)
        raise


@cache
def _timeout(connect_s: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_s)


def _as_text(headers: httpx.Headers) -> list[tuple[str, str]]:
    encoding = headers.encoding  # a property that is slow each time
    return [
        (name.decode(encoding), value.decode(encoding)) for name, value in headers.raw
    ]


def _as_yarl(url: httpx.URL) -> yarl.URL:
    # From a user in the URL httpx has made an Authorization header already; aiohttp
    # would add a second one. `encoded` keeps the signature of a signed link unchanged.
    plain = url.copy_with(username=None, password=None) if url.userinfo else url
    return yarl.URL(str(plain), encoded=True)


def _proxy_headers(proxy: Proxy | None) -> dict[str, str]:
    # The login is not part of the URL, which aiohttp repeats in its errors.
    if proxy is None or proxy.login is None:
        return {}
    return {"Proxy-Authorization": proxy.login.as_basic}
