"""Carry httpx requests over aiohttp, and say exactly whether a request left.

httpx's own pool walks all connections for each request, which is quadratic; aiohttp's
does not.
"""

from __future__ import annotations

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
from aiohttp.abc import AbstractResolver

from batchgen.open_files import PATIENCE_S, PAUSES_S, may_open, shortage_words
from batchgen.wire.certificates import create_tls_context
from batchgen.wire.connections import (
    Connections,
    NoSocket,
    SocketLimits,
    Turn,
    lacks_socket,
)
from batchgen.wire.content import Pieces
from batchgen.wire.departure import FOREIGN, Departure, Request, departing, lost
from batchgen.wire.handshake import unsent_by
from batchgen.wire.network import AddressForbidden, Reach, admits, check_host
from batchgen.wire.proxies import Proxy, find_proxy, read_proxies
from batchgen.wire.resolver import JudgingResolver
from batchgen.wire.upload import Upload, patient_socket

# Many servers close idle connections after 5 s. A POST that meets such a close is an
# outcome that nobody can know, so an idle connection is dropped before that.
KEEPALIVE_S = 4.0

# A reply that is paid for must not be lost to a long header (aiohttp's limit is 8 KB).
HEADER_LIMIT_BYTES = 64 * 1024

_VERSION = {"http_version": b"HTTP/1.1"}


class _Response(aiohttp.ClientResponse):
    """Remember the protocol, which tells how a connection ended after it did."""

    how_it_ended: Callable[[], BaseException | None]

    async def start(self, connection: aiohttp.connector.Connection) -> Self:
        if connection.protocol is not None:
            self.how_it_ended = connection.protocol.exception
        await super().start(connection)
        return self


class _Body(httpx.AsyncByteStream):
    """The body of one response, in the chunks in which it comes."""

    def __init__(self, response: _Response, turn: Turn) -> None:
        self._response = response
        self._turn = turn

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._response.content.readany()
        except FOREIGN as error:
            raise lost(error) from error
        # A body that only the end of the connection ends looks whole to aiohttp even
        # when the connection was reset.
        failure = None if chunk else self._response.how_it_ended()
        if isinstance(failure, OSError):
            raise lost(failure) from failure
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._response.close()
        self._turn.close()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """An httpx transport that holds thousands of connections.

    Of httpx's timeouts it honours `connect` (name, connection and TLS together) and
    `read`, up to the reply's head; whoever reads the body sets the pace there.
    Request extensions: `reach` (a Reach) limits the addresses that are connected to,
    `on_sent` is called when the first byte is about to leave, `has_own_place` says
    that the request is a purchase whose place was counted (see `connections`). Follows
    no redirect, keeps no cookie, decodes no body. A connection through a proxy is the
    proxy's to judge.
    """

    def __init__(
        self,
        *,
        use_proxy: bool = True,
        resolver: AbstractResolver | None = None,
        sockets: SocketLimits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connections = Connections(sockets)
        self._proxies = read_proxies() if use_proxy else {}
        self._tls = create_tls_context() if tls is None else tls
        self._resolver = resolver
        self._sessions: dict[Reach, aiohttp.ClientSession] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        turn = await self._connections.turn(request)
        try:
            response = await self._respond(request)
        except BaseException:
            turn.close()
            raise
        return httpx.Response(
            status_code=response.status,
            headers=response.raw_headers,
            stream=_Body(response, turn),
            request=request,
            extensions=_VERSION,
        )

    async def _respond(self, request: httpx.Request) -> _Response:
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        connect_s = limits.get("connect")
        departure = Departure(request, limits.get("read"))
        departure.stay_open = lambda: self._connections.stay_open
        unset = departing.set(departure)
        try:
            async with departure.patience:
                return await self._send_patiently(request, departure, connect_s)
        except FOREIGN as error:
            raise departure.explain(error) from error
        finally:
            departing.reset(unset)
            departure.over = True

    async def _send_patiently(
        self, request: httpx.Request, departure: Departure, connect_s: float | None
    ) -> _Response:
        """Send a request, and wait while the machine has no socket left for it.

        Raises:
            NoSocket: it had none for as long as a connection may take.
        """
        ends_at = anyio.current_time() + (connect_s or PATIENCE_S)
        for pause_s in chain(PAUSES_S, repeat(PAUSES_S[-1])):
            departure.lacked_socket = False
            try:
                return await self._send(request, departure, connect_s)
            except FOREIGN as error:
                if departure.left or not _is_shortage(departure, error):
                    raise
                if anyio.current_time() > ends_at:
                    raise NoSocket(_shortage_words(error)) from error
            await anyio.sleep(pause_s)
        raise AssertionError  # the pauses have no end

    async def _send(
        self,
        request: httpx.Request,
        departure: Departure,
        connect_s: float | None,
    ) -> _Response:
        reach: Reach = request.extensions.get("reach", Reach.ANY)
        check_host(request.url.host, reach)
        proxy = departure.proxy = find_proxy(request.url, self._proxies)
        session = self._session(reach if proxy is None else Reach.ANY)
        body = await _body_of(request)
        is_tunnel, for_proxy = request.url.scheme == "https", _proxy_headers(proxy)
        headers = _as_text(request.headers)
        headers += [] if is_tunnel else for_proxy.items()
        response = await session.request(
            request.method,
            _as_yarl(request.url),
            headers=headers,
            data=Upload(body, departure.wait_anew) if body.size else None,
            allow_redirects=False,
            proxy=None if proxy is None else yarl.URL(proxy.url),
            proxy_headers=for_proxy if is_tunnel else None,
            timeout=_timeout(connect_s),
        )
        if proxy is not None and not is_tunnel:
            # No tunnel: what answers may be the proxy itself, in the server's place.
            failure = unsent_by(
                proxy, request.url.host, response.status, response.headers
            )
            if failure is not None:
                response.close()
                raise failure
        # The session was made with this response class; its annotations cannot say so.
        return cast(_Response, response)

    def _session(self, reach: Reach) -> aiohttp.ClientSession:
        # One pool for each reach: a connection that was judged for a provider must
        # not be taken up by a link.
        session = self._sessions.get(reach)
        if session is None:
            session = self._sessions[reach] = self._create_session(reach)
        return session

    def _create_session(self, reach: Reach) -> aiohttp.ClientSession:
        resolver = self._resolver or aiohttp.ThreadedResolver()
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=KEEPALIVE_S,
            ssl=self._tls,
            resolver=JudgingResolver(resolver, reach),
            socket_factory=partial(_judged_socket, reach, self._connections),
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
        await self._connections.aclose()


def _is_shortage(departure: Departure, error: Exception) -> bool:
    """Say whether a request failed because this machine has no socket left."""
    # Of several addresses' errors only a text is left; and a name that could not be
    # resolved for want of a file looks like any other that could not.
    if departure.lacked_socket or lacks_socket(error):
        return True
    return isinstance(error, aiohttp.ClientConnectorDNSError) and not may_open()


def _shortage_words(error: Exception) -> str:
    # A name is looked up in a thread; the resolver says so where that is lacking.
    if isinstance(error, aiohttp.ClientConnectorDNSError) and lacks_socket(error):
        return error.os_error.strerror or shortage_words()
    return shortage_words()


def _judged_socket(
    reach: Reach, connections: Connections, address: aiohttp.AddrInfoType
) -> socket.socket:
    """Return a socket for the very address that is about to be connected to.

    The resolver judged those of names; what aiohttp takes for an address never came
    to it. Older versions take `2130706433`, too.

    Raises:
        AddressForbidden: it is out of reach.
        OSError: there is no socket left.
    """
    host = str(address[4][0])
    if not admits(reach, host):
        raise AddressForbidden(f"{host} is not a {reach} address")
    try:
        return connections.open(lambda: patient_socket(address, connections.closed))
    except OSError as error:
        departing.get().lacked_socket |= lacks_socket(error)
        raise


@cache
def _timeout(connect_s: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_s)


async def _body_of(request: httpx.Request) -> Pieces:
    body = request.stream
    return body if isinstance(body, Pieces) else Pieces([await request.aread()])


def _as_text(headers: httpx.Headers) -> list[tuple[str, str]]:
    encoding = headers.encoding  # judged anew whenever it is asked for
    return [(it.decode(encoding), value.decode(encoding)) for it, value in headers.raw]


def _as_yarl(url: httpx.URL) -> yarl.URL:
    # httpx has made an Authorization header of a user in the URL; aiohttp would make
    # a second one. `encoded` keeps the signature of a signed link as it is.
    plain = url.copy_with(username=None, password=None) if url.userinfo else url
    return yarl.URL(str(plain), encoded=True)


def _proxy_headers(proxy: Proxy | None) -> dict[str, str]:
    # The login goes apart from the URL, which aiohttp repeats in its errors.
    if proxy is None or proxy.login is None:
        return {}
    return {"Proxy-Authorization": proxy.login.as_basic}
