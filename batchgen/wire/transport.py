"""Carry httpx requests over aiohttp, and say exactly whether a request left.

httpx's own pool walks all connections for each request, which is quadratic; aiohttp's
does not.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache, partial
from typing import Self, cast

import aiohttp
import httpx
import yarl
from aiohttp.abc import AbstractResolver

from batchgen.wire.certificates import create_tls_context
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

    def __init__(self, response: _Response) -> None:
        self._response = response

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


class AiohttpTransport(httpx.AsyncBaseTransport):
    """An httpx transport that holds thousands of connections.

    Of httpx's timeouts it honours `connect` (name, connection and TLS together) and
    `read`, up to the reply's head; whoever reads the body sets the pace there.
    Request extensions: `reach` (a Reach) limits the addresses that are connected to,
    `on_sent` is called when the first byte is about to leave. Follows no redirect,
    keeps no cookie, decodes no body. A connection through a proxy is the proxy's to
    judge.
    """

    def __init__(
        self, *, use_proxy: bool = True, resolver: AbstractResolver | None = None
    ) -> None:
        self._proxies = read_proxies() if use_proxy else {}
        self._tls = create_tls_context()
        self._resolver = resolver
        self._sessions: dict[Reach, aiohttp.ClientSession] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        departure = Departure(request, limits.get("read"))
        unset = departing.set(departure)
        try:
            async with departure.patience:
                response = await self._send(request, departure, limits.get("connect"))
        except FOREIGN as error:
            raise departure.explain(error) from error
        finally:
            departing.reset(unset)
            departure.over = True
        return httpx.Response(
            status_code=response.status,
            headers=response.raw_headers,
            stream=_Body(response),
            request=request,
            extensions=_VERSION,
        )

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
            socket_factory=partial(_judged_socket, reach),
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


def _judged_socket(reach: Reach, address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket for the very address that is about to be connected to.

    The resolver judged those of names; what aiohttp takes for an address never came
    to it. Older versions take `2130706433`, too.

    Raises:
        AddressForbidden: it is out of reach.
    """
    host = str(address[4][0])
    if not admits(reach, host):
        raise AddressForbidden(f"{host} is not a {reach} address")
    return patient_socket(address)


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
