"""One exchange at a time: who may be talked to, the response, and its body."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import httpx

from batchgen.errors import UsageError
from batchgen.wire.body import Admission, read_body
from batchgen.wire.intake import Intake
from batchgen.wire.limits import WireLimits
from batchgen.wire.links import LinkSource, reach_of
from batchgen.wire.network import AddressForbidden, Reach, is_loopback_host

T = TypeVar("T")

LOOPBACK_ONLY_VARIABLE = "BATCHGEN_LOOPBACK_ONLY"
"""Environment variable that keeps every request on loopback when it is not empty."""

# Parsing this much JSON holds the interpreter for about a millisecond.
_OFFLOAD_BYTES = 256 * 1024


class Offload(Protocol):
    """Run work that would hold up the event loop, elsewhere."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


class Line:
    """What purchases and downloads have in common.

    Args:
        transport: Carries the requests.
        paid_hosts: Whether hosts other than loopback may be talked to at all.
        offload: Runs long decoding.
        limits: Where an exchange is given up.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        paid_hosts: bool,
        offload: Offload,
        limits: WireLimits,
    ) -> None:
        self.limits = limits
        self._transport = transport
        self._paid_hosts = paid_hosts
        self._offload = offload

    async def open(
        self, request: httpx.Request, reach: Reach, head_s: float
    ) -> httpx.Response:
        """Send a request; whoever gets the response closes it.

        Args:
            request: What is sent; a redirect in its reply is not followed.
            reach: The addresses that it may be sent to.
            head_s: Longest wait for the reply's head.
        """
        connect_s = self.limits.connect_s
        request.extensions["reach"] = reach
        request.extensions["timeout"] = {
            "connect": connect_s,
            "read": head_s,
            "write": head_s,
            "pool": head_s,
        }
        # Without httpx's client between: its cookies, redirects and authentication
        # are what must not happen here, and a tenth of the cost.
        response = await self._transport.handle_async_request(request)
        response.request = request
        return response

    async def read(
        self,
        response: httpx.Response,
        headers: Mapping[str, str],
        admission: Admission,
        intake: Intake,
        limit_bytes: int,
    ) -> None:
        """Pour the body of a response into an intake; raises as `read_body` does."""
        await read_body(
            response,
            headers,
            admission,
            intake,
            limit_bytes=limit_bytes,
            silence_s=self.limits.silence_s,
        )

    async def decode(self, work: Callable[[], T], size_bytes: int) -> T:
        """Decode as many bytes, off the event loop if they are many."""
        return await self._offload(work) if size_bytes > _OFFLOAD_BYTES else work()

    def judge_call(self, url: httpx.URL) -> Reach:
        """Return the addresses that a purchase may be sent to.

        Raises:
            UsageError: the host must not be talked to.
        """
        if is_loopback_host(url.host):
            return Reach.LOOPBACK
        if not self._paid_hosts:
            raise UsageError(f"{_on_loopback_only(url.host)}; nothing was sent")
        # Plain http was agreed to for a private network, and holds for nothing else.
        return Reach.PRIVATE if url.scheme == "http" else Reach.ANY

    def judge_link(
        self, url: httpx.URL, source: LinkSource | None, *, near: bool
    ) -> Reach:
        """Return the addresses that a link may lead to.

        Raises:
            AddressForbidden: it may not be followed.
        """
        reach = reach_of(url, source, near=near)
        if reach is not Reach.LOOPBACK and not self._paid_hosts:
            # One provider's strange link must not end the others' run.
            raise AddressForbidden(_on_loopback_only(url.host))
        return reach

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


def may_pay(*, paid_hosts: bool) -> bool:
    """Return whether hosts other than loopback may be talked to, asked for or not."""
    return paid_hosts and not os.environ.get(LOOPBACK_ONLY_VARIABLE)


def _on_loopback_only(host: str) -> str:
    return f"this run may talk to loopback only, not to {host}"
