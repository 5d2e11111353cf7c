"""One exchange at a time: the addresses it may go to, the response, and its body."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import httpx

from batchgen.errors import UsageError
from batchgen.wire.address_scope import AddressForbidden, AddressScope, is_loopback_host
from batchgen.wire.link_scope import LinkSource, scope_of_link
from batchgen.wire.offload import Offload
from batchgen.wire.wire_limits import WireLimits

T = TypeVar("T")

LOOPBACK_ONLY_VARIABLE = "BATCHGEN_LOOPBACK_ONLY"
"""Environment variable that keeps every request on loopback when it is not empty."""

# Parsing this much JSON holds the interpreter for about a millisecond.
_OFFLOAD_BYTES = 256 * 1024


class Exchange:
    """What purchases and downloads have in common.

    Requests go to hosts other than loopback only with `paid_hosts`.
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

    async def open_call(self, request: httpx.Request, head_s: float) -> httpx.Response:
        """Send a call to a provider; the rest as for `open`.

        Raises:
            UsageError: no request may go to this host.
        """
        return await self.open(request, self._scope_of_call(request.url), head_s)

    async def decode(self, work: Callable[[], T], size_bytes: int) -> T:
        """Decode so many bytes; off the event loop if they are many."""
        return await self._offload(work) if size_bytes > _OFFLOAD_BYTES else work()

    def _scope_of_call(self, url: httpx.URL) -> AddressScope:
        """Return the addresses that a call may be sent to."""
        if is_loopback_host(url.host):
            return AddressScope.LOOPBACK
        if not self._paid_hosts:
            raise UsageError(f"{_loopback_only_message(url.host)}; nothing was sent")
        # The job allowed plain http for a private network only.
        return AddressScope.PRIVATE if url.scheme == "http" else AddressScope.ANY

    def scope_of_link(
        self, url: httpx.URL, source: LinkSource | None, *, allow_loopback: bool
    ) -> AddressScope:
        """Return the addresses that a link may lead to.

        Raises:
            AddressForbidden: the link may not be followed.
        """
        scope = scope_of_link(url, source, allow_loopback=allow_loopback)
        if scope is not AddressScope.LOOPBACK and not self._paid_hosts:
            # Not a UsageError: one strange link must not end the run of all providers.
            raise AddressForbidden(_loopback_only_message(url.host))
        return scope

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


def may_leave_loopback(*, paid_hosts: bool) -> bool:
    """Return whether requests may go to other hosts; the variable forbids it always."""
    return paid_hosts and not os.environ.get(LOOPBACK_ONLY_VARIABLE)


def _loopback_only_message(host: str) -> str:
    return f"this run may talk to loopback only, not to {host}"
