"""Send calls to providers and download images: the only sender of batchgen."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from types import TracebackType
from typing import Protocol, Self, TypeVar

import anyio
import anyio.to_thread
import httpx

from batchgen.decoding import decode_data_uri
from batchgen.errors import (
    ImageRejected,
    Incomplete,
    LinkLost,
    OutcomeUnknown,
    UsageError,
)
from batchgen.model import Blob, Call, Reply
from batchgen.wire.body import Admission, is_delimited, read_body
from batchgen.wire.decode import claims_json, size_of_blobs
from batchgen.wire.faults import FOREIGN, download_error, no_image, purchase_error
from batchgen.wire.intake import ImageIntake, Intake, ReplyIntake
from batchgen.wire.limits import DEFAULT_LIMITS, WireLimits
from batchgen.wire.memory import Lease, Memory
from batchgen.wire.network import (
    AddressForbidden,
    Reach,
    is_loopback_host,
    link_reach,
)
from batchgen.wire.requests import build_download, build_purchase
from batchgen.wire.transport import AiohttpTransport

T = TypeVar("T")

LOOPBACK_ONLY_VARIABLE = "BATCHGEN_LOOPBACK_ONLY"
"""Environment variable that keeps every request on loopback when it is not empty."""

# Parsing this much JSON holds the interpreter for about a millisecond.
_OFFLOAD_BYTES = 256 * 1024


class Offload(Protocol):
    """Run work that would hold up the event loop, elsewhere."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


class Wire:
    """Send calls and download images; use as an async context manager.

    Args:
        transport: Any httpx transport; None for our own on aiohttp.
        paid_hosts: Whether hosts other than loopback may be talked to at all.
        offload: Runs long decoding; a simulation passes one that runs it inline.
        memory: What all bodies together may hold.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        paid_hosts: bool,
        offload: Offload = anyio.to_thread.run_sync,
        limits: WireLimits = DEFAULT_LIMITS,
        memory: Memory | None = None,
    ) -> None:
        self._paid_hosts = paid_hosts and not os.environ.get(LOOPBACK_ONLY_VARIABLE)
        self._transport = transport or AiohttpTransport(use_proxy=self._paid_hosts)
        self._offload = offload
        self._limits = limits
        self._memory = memory or Memory()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.aclose()

    def lease(self) -> Lease:
        """Return what `send` or `download` fills with what a body takes.

        Whoever asks for one holds it until the bytes are stored or dropped.
        """
        return self._memory.lease()

    async def send(
        self,
        provider: str,
        call: Call,
        *,
        reply_timeout_s: float,
        on_sent: Callable[[], None] | None = None,
        lease: Lease | None = None,
    ) -> Reply:
        """Send one call and return its whole reply, whatever its status.

        Args:
            provider: Registered name, for errors.
            call: The request; a redirect in its reply is not followed.
            reply_timeout_s: Longest wait for the reply's head.
            on_sent: Called at most once, as the first byte is about to leave; never
                when nothing was sent. A transport that is not ours cannot say when:
                then it is called when the head or the failure arrives.
            lease: Holds the reply's images when this returns; None where they are
                dropped at once.

        Raises:
            NotConnected: surely nothing was sent.
            OutcomeUnknown: it may have left, and no usable reply came.
            CredentialRejected, RequestInvalid: the key or the URL cannot be written in
                HTTP; nothing was sent.
            SpecError: the host must not be talked to; nothing was sent.
        """
        with ExitStack() as own:
            lease = lease or own.enter_context(self.lease())
            return await self._send(provider, call, reply_timeout_s, on_sent, lease)

    async def _send(
        self,
        provider: str,
        call: Call,
        reply_timeout_s: float,
        on_sent: Callable[[], None] | None,
        lease: Lease,
    ) -> Reply:
        request = build_purchase(provider, call)
        reach = self._judge_call(request.url)
        departed = _Once(on_sent)
        request.extensions |= self._extensions(reach, reply_timeout_s)
        request.extensions["on_sent"] = departed
        patience_s = self._limits.connect_s + reply_timeout_s + self._limits.transfer_s
        head = None
        try:
            with _in_time(patience_s) as patience:
                async with self._exchange(request) as response:
                    departed()
                    headers = dict(response.headers)
                    head = response.status_code, headers
                    intake = ReplyIntake(headers, call.blob_keys)
                    admission = Admission(lease, patience)
                    limit = self._limits.reply_bytes
                    await self._read(response, admission, intake, limit)
            reply = await self._as_reply(response, headers, intake)
        except FOREIGN as error:
            lease.shrink(0)
            ours = purchase_error(provider, request.url.host, error)
            if isinstance(ours, OutcomeUnknown):
                departed()
                ours.head = head
            raise ours from error
        if lease.held_bytes:
            lease.shrink(size_of_blobs(reply.body))
        return reply

    async def download(
        self,
        provider: str,
        url: str,
        *,
        from_loopback: bool,
        lease: Lease | None = None,
    ) -> Blob:
        """Fetch the bytes of one image, without key, cookie or provider header.

        What the bytes are is the caller's to judge. A data URI is decoded here.

        Args:
            provider: Registered name, for errors.
            url: Where the provider says that the image is.
            from_loopback: Whether the provider's base URL is loopback; only then may
                its links be.
            lease: Holds the image when this returns; None where it is dropped soon.

        Raises:
            LinkLost: it is gone, or leads where we must not go; paid for all the same.
            Incomplete: it broke off, or may work later.
            ImageRejected: it is larger than any image, or no readable data URI.
        """
        with ExitStack() as own:
            lease = lease or own.enter_context(self.lease())
            if url[:5].lower() == "data:":
                return await self._decode_data_uri(provider, url, lease)
            with anyio.move_on_after(self._limits.transfer_s) as patience:
                near, admission = from_loopback, Admission(lease, patience)
                return await self._follow(provider, url, admission, near=near)
        raise Incomplete(
            provider, f"the download took longer than {self._limits.transfer_s:g} s"
        )

    async def _follow(
        self, provider: str, url: str, admission: Admission, *, near: bool
    ) -> Blob:
        host = "the link"
        try:
            target = httpx.URL(url)
            for _ in range(self._limits.redirects + 1):
                host = target.host
                reach = self._judge_link(target, from_loopback=near)
                found = await self._fetch(provider, target, reach, admission)
                if isinstance(found, Blob):
                    return found
                target = found
                # Who is out on the internet does not lead us back to our own machine.
                near = reach is Reach.LOOPBACK
        except FOREIGN as error:
            raise download_error(provider, host, error) from error
        raise LinkLost(
            provider, f"the link led through more than {self._limits.redirects} hops"
        )

    async def _fetch(
        self, provider: str, url: httpx.URL, reach: Reach, admission: Admission
    ) -> Blob | httpx.URL:
        """Return the image, or where the next hop is."""
        request = build_download(url)
        request.extensions |= self._extensions(reach, self._limits.silence_s)
        async with self._exchange(request) as response:
            if response.has_redirect_location:
                return url.join(response.headers["location"])
            if response.status_code != 200:
                raise no_image(provider, response)
            intake = ImageIntake()
            limit = self._limits.image_bytes
            await self._read(response, admission, intake, limit)
            return intake.image()

    @asynccontextmanager
    async def _exchange(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """Send a request and hand out its response until it was read."""
        # Without httpx's client between: its cookies, redirects and authentication
        # are what must not happen here, and a tenth of the cost.
        response = await self._transport.handle_async_request(request)
        response.request = request
        try:
            yield response
        finally:
            await response.aclose()

    async def _read(
        self,
        response: httpx.Response,
        admission: Admission,
        intake: Intake,
        limit_bytes: int,
    ) -> None:
        await read_body(
            response,
            admission,
            intake,
            limit_bytes=limit_bytes,
            silence_s=self._limits.silence_s,
        )

    async def _as_reply(
        self, response: httpx.Response, headers: dict[str, str], intake: ReplyIntake
    ) -> Reply:
        decoded = await self._decode(intake.document, intake.parsed_bytes)
        broken = isinstance(decoded, str) and claims_json(headers)
        if broken and not is_delimited(response):
            raise httpx.RemoteProtocolError("the JSON ended with the connection")
        return Reply(response.status_code, headers, decoded)

    async def _decode_data_uri(self, provider: str, uri: str, lease: Lease) -> Blob:
        # Base64 is a third larger than what it stands for.
        if len(uri) > self._limits.image_bytes * 3 // 2:
            raise ImageRejected(provider, "the data URI is too large")
        await lease.grow(len(uri))
        blob = await self._decode(partial(decode_data_uri, uri), len(uri))
        if blob is None:
            raise ImageRejected(provider, "the data URI cannot be decoded")
        return blob

    async def _decode(self, work: Callable[[], T], size: int) -> T:
        return await self._offload(work) if size > _OFFLOAD_BYTES else work()

    def _judge_call(self, url: httpx.URL) -> Reach:
        if is_loopback_host(url.host):
            return Reach.LOOPBACK
        if not self._paid_hosts:
            raise UsageError(f"{_on_loopback_only(url.host)}; nothing was sent")
        # Plain http was agreed to for a private network, and holds for nothing else.
        return Reach.PRIVATE if url.scheme == "http" else Reach.ANY

    def _judge_link(self, url: httpx.URL, *, from_loopback: bool) -> Reach:
        reach = link_reach(url, from_loopback=from_loopback)
        if reach is not Reach.LOOPBACK and not self._paid_hosts:
            # One provider's strange link must not end the others' run.
            raise AddressForbidden(_on_loopback_only(url.host))
        return reach

    def _extensions(self, reach: Reach, head_s: float) -> dict[str, object]:
        timeout = httpx.Timeout(head_s, connect=self._limits.connect_s)
        return {"timeout": timeout.as_dict(), "reach": reach}


def _on_loopback_only(host: str) -> str:
    return f"this run may talk to loopback only, not to {host}"


class _Once:
    """Tell somebody once that the request left."""

    def __init__(self, told: Callable[[], None] | None) -> None:
        self._told = told

    def __call__(self) -> None:
        told, self._told = self._told, None
        if told is not None:
            told()


@contextmanager
def _in_time(patience_s: float) -> Iterator[anyio.CancelScope]:
    """End an exchange that is too late; it is told apart from a broken one."""
    try:
        with anyio.fail_after(patience_s) as patience:
            yield patience
    except TimeoutError as error:
        raise httpx.ReadTimeout(f"not finished after {patience_s:g} s") from error
