"""Send calls to providers and download images: nothing else in batchgen does."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Self, TypeVar

import anyio
import anyio.to_thread
import httpx

from batchgen.addresses.url import is_loopback_host
from batchgen.errors import AttemptError, OutcomeUnknown, SpecError, UsageError
from batchgen.model import Blob, Call, Reply
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire.address_scope import AddressScope, loopback_only_message
from batchgen.wire.body import MemoryGate, is_delimited, read_body
from batchgen.wire.body_decoding import declares_json, size_in_memory
from batchgen.wire.body_sinks import ReplySink
from batchgen.wire.download import download
from batchgen.wire.exchange_errors import HTTPX_ERRORS, purchase_error
from batchgen.wire.link_scope import LinkSource
from batchgen.wire.memory import MemoryBudget, MemoryLease
from batchgen.wire.offload import Offload
from batchgen.wire.request_builder import build_purchase
from batchgen.wire.sockets import HAS_OWN_SLOT, SocketLimits
from batchgen.wire.transport import AiohttpTransport
from batchgen.wire.wire_limits import DEFAULT_LIMITS, WireLimits

T = TypeVar("T")

LOOPBACK_ONLY_VARIABLE = "BATCHGEN_LOOPBACK_ONLY"
"""Environment variable that keeps every request on loopback when it is not empty."""

# Parsing this much JSON holds the interpreter for about a millisecond.
_OFFLOAD_BYTES = 256 * 1024


class Wire:
    """Send calls and download images; use as an async context manager.

    Args:
        transport: Any httpx transport; None for batchgen's own on aiohttp.
        paid_hosts: Whether requests may go to hosts other than loopback.
        offload: Runs long decoding; a simulation passes one that runs it inline.
        memory: The budget of all bodies together.
        sockets: Limits of batchgen's own transport; without limits if None.

    Attributes:
        limits: When an exchange is given up.
        paid_hosts: Whether requests may go to hosts other than loopback; never where
            the environment forbids it.
        lease: Returns a lease, in which `send` and `download` count the bytes of a
            body. The caller holds it until the bytes are stored or dropped.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        paid_hosts: bool,
        offload: Offload = anyio.to_thread.run_sync,
        limits: WireLimits = DEFAULT_LIMITS,
        memory: MemoryBudget | None = None,
        sockets: SocketLimits | None = None,
    ) -> None:
        self.paid_hosts = paid_hosts and not os.environ.get(LOOPBACK_ONLY_VARIABLE)
        # A rehearsal uses no TLS: a problem with certificates must not stop it.
        tls = None if paid_hosts else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._transport = transport or AiohttpTransport(
            use_proxy=self.paid_hosts, sockets=sockets, tls=tls
        )
        self._offload = offload
        self.limits = limits
        self.lease = (memory or MemoryBudget()).lease

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def send(
        self,
        provider: str,
        call: Call,
        *,
        reply_timeout_s: float,
        on_sent: Callable[[], None] | None = None,
        on_head: Callable[[], None] | None = None,
        lease: MemoryLease | None = None,
    ) -> Reply:
        """Send one call and return its whole reply, whatever its status.

        Args:
            provider: Registered name, for errors.
            call: The request; a redirect in its reply is not followed.
            reply_timeout_s: Longest wait for the reply's head.
            on_sent: For a purchase, whose slot the caller has counted. Called at most
                once, just before the first byte is sent; never when nothing was sent.
                Another transport than ours does not know the moment: then it is called
                when the head or the error arrives.
            on_head: Called as the head of the reply arrives.
            lease: Holds the memory of the reply after this returns; None where the
                reply is dropped at once.

        Raises:
            NotConnected: certainly nothing was sent.
            OutcomeUnknown: the call may have been sent, and no usable reply came.
            CredentialRejected, RequestInvalid: the key or the URL cannot be written in
                HTTP; nothing was sent.
            SpecError: no request may go to this host; nothing was sent.
        """
        receiver = _ReplyReceiver(call.blob_keys, on_sent, on_head)
        request = build_purchase(provider, call)
        request.extensions |= {
            "on_sent": receiver.mark_sent,
            HAS_OWN_SLOT: on_sent is not None,
        }
        if lease is not None:
            return await self._send(provider, request, reply_timeout_s, receiver, lease)
        with self.lease() as new:
            return await self._send(provider, request, reply_timeout_s, receiver, new)

    async def _send(
        self,
        provider: str,
        request: httpx.Request,
        reply_timeout_s: float,
        receiver: _ReplyReceiver,
        lease: MemoryLease,
    ) -> Reply:
        try:
            with closing(receiver):
                reply = await self._receive(request, reply_timeout_s, receiver, lease)
        except HTTPX_ERRORS as error:
            lease.shrink(0)
            drop_tracebacks(error)
            raise _attempt_error(provider, request, receiver, error) from error
        if lease.held_bytes:
            lease.shrink(size_in_memory(reply.body) + size_in_memory(reply.whole))
        return reply

    async def _receive(
        self,
        request: httpx.Request,
        reply_timeout_s: float,
        receiver: _ReplyReceiver,
        lease: MemoryLease,
    ) -> Reply:
        limits = self.limits
        timeout_s = limits.connect_s + reply_timeout_s + limits.transfer_s
        timeout_scope = anyio.CancelScope(deadline=anyio.current_time() + timeout_s)
        with timeout_scope:
            scope = self._scope_of_call(request.url)
            response = await self.open(request, scope, reply_timeout_s)
            try:
                headers, sink = receiver.begin(response)
                gate = MemoryGate(lease, timeout_scope)
                max_bytes, silence_s = limits.reply_bytes, limits.silence_s
                await read_body(response, headers, gate, sink, max_bytes, silence_s)
            finally:
                await response.aclose()
        if timeout_scope.cancelled_caught:
            raise httpx.ReadTimeout(f"not finished after {timeout_s:g} s")
        return await self._decode(response, headers, sink)

    async def _decode(
        self, response: httpx.Response, headers: dict[str, str], sink: ReplySink
    ) -> Reply:
        body = await self.decode(sink.document, sink.parsed_bytes)
        whole = None
        if isinstance(body, str) and 200 <= response.status_code < 300:
            work = partial(sink.body_if_longer, body)
            whole = await self.decode(work, sink.parsed_bytes)
        is_broken = isinstance(body, str) and declares_json(headers)
        if is_broken and not is_delimited(headers):
            raise httpx.RemoteProtocolError("the JSON ended with the connection")
        return Reply(response.status_code, headers, body, whole=whole)

    async def download(
        self,
        provider: str,
        url: str,
        *,
        allow_loopback: bool = False,
        source: LinkSource | None = None,
        lease: MemoryLease | None = None,
    ) -> Blob:
        """Fetch the bytes of one image, without cookie or provider header.

        The caller checks that the bytes are an image. A data URI is decoded here.

        Args:
            provider: Registered name, for errors.
            url: The link that the provider gave; it may be relative to the base URL of
                `source`.
            allow_loopback: Whether links to this machine may be followed. They may also
                be followed if the base URL of `source` is on this machine.
            source: The provider that gave the link; None for a link of the user. The
                provider's key is sent only to its own origin, and only if asked for.
            lease: Holds the image after this returns; None where it is dropped soon.

        Raises:
            LinkLost: the link is gone, or leads to a forbidden address; the image is
                paid for all the same.
            Incomplete: the download broke off, or may work later.
            ImageRejected: too large for an image, or an unreadable data URI.
        """
        with self.lease() as new:
            allow_loopback = allow_loopback or (
                source is not None and source.is_loopback
            )
            return await download(
                self,
                provider,
                url,
                lease or new,
                source,
                allow_loopback=allow_loopback,
            )

    async def open(
        self, request: httpx.Request, scope: AddressScope, head_s: float
    ) -> httpx.Response:
        """Send a request; the caller closes the response. Redirects are not followed.

        The reply's head must arrive within `head_s`.
        """
        connect_s = self.limits.connect_s
        request.extensions["address_scope"] = scope
        request.extensions["timeout"] = {
            "connect": connect_s,
            "read": head_s,
            "write": head_s,
            "pool": head_s,
        }
        # Not through httpx's client: cookies, redirects and authentication must not
        # happen here, and the client would add a tenth to the cost of a request.
        response = await self._transport.handle_async_request(request)
        response.request = request
        return response

    async def decode(self, work: Callable[[], T], size_bytes: int) -> T:
        """Decode so many bytes; off the event loop if they are many."""
        return await self._offload(work) if size_bytes > _OFFLOAD_BYTES else work()

    def _scope_of_call(self, url: httpx.URL) -> AddressScope:
        """Return the addresses that a call may be sent to.

        Raises:
            UsageError: no request may go to this host.
        """
        if is_loopback_host(url.host):
            return AddressScope.LOOPBACK
        if not self.paid_hosts:
            raise UsageError(f"{loopback_only_message(url.host)}; nothing was sent")
        # The job allowed plain http for a private network only.
        return AddressScope.PRIVATE if url.scheme == "http" else AddressScope.ANY


class _ReplyReceiver:
    """Receive one reply; at the end its bytes are freed, even if a frame refers to it.

    Attributes:
        head: Status and headers; None before they arrive.
    """

    def __init__(
        self,
        blob_keys: frozenset[str],
        on_sent: Callable[[], None] | None,
        on_head: Callable[[], None] | None,
    ) -> None:
        self._on_sent, self._on_head = on_sent, on_head
        self.head: tuple[int, dict[str, str]] | None = None
        self._blob_keys = blob_keys
        self._sink: ReplySink | None = None

    def mark_sent(self) -> None:
        """Report once that the request was sent; at the head, at the latest."""
        on_sent, self._on_sent = self._on_sent, None
        if on_sent is not None:
            on_sent()

    def begin(self, response: httpx.Response) -> tuple[dict[str, str], ReplySink]:
        """Note the head; return the headers, and the sink of the body."""
        self.mark_sent()
        if self._on_head is not None:
            self._on_head()
        headers = dict(response.headers.items())
        self.head = response.status_code, headers
        self._sink = ReplySink(headers, self._blob_keys)
        return headers, self._sink

    def close(self) -> None:
        """Free the bytes of the body."""
        if self._sink is not None:
            self._sink.close()


def _attempt_error(
    provider: str, request: httpx.Request, receiver: _ReplyReceiver, error: Exception
) -> AttemptError | SpecError:
    """Return what a failed call means.

    In a function of its own, so that no frame of the traceback refers to the error.
    """
    attempt_error = purchase_error(provider, request.url.host, error)
    if isinstance(attempt_error, OutcomeUnknown):
        receiver.mark_sent()
        attempt_error.head = receiver.head
    return attempt_error
