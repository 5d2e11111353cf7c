"""Follow a link to the bytes of its image."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import anyio
import httpx

from batchgen.addresses import is_data_uri
from batchgen.addresses.url import join_url, read_url
from batchgen.errors import ImageRejected, Incomplete, LinkLost
from batchgen.model import Blob
from batchgen.providers._decoding import decode_data_uri
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire.address_scope import (
    AddressForbidden,
    AddressScope,
    loopback_only_message,
)
from batchgen.wire.body import MemoryGate, read_body
from batchgen.wire.body_sinks import ImageSink
from batchgen.wire.exchange_errors import HTTPX_ERRORS, download_error, error_of_status
from batchgen.wire.link_scope import (
    LinkSource,
    prefer_https,
    scope_of_link,
)
from batchgen.wire.memory import MemoryLease
from batchgen.wire.request_builder import build_download

if TYPE_CHECKING:
    from batchgen.wire.sender import Wire

_WANTS_KEY = frozenset({401, 403})


async def download(
    wire: Wire,
    provider: str,
    url: str,
    lease: MemoryLease,
    source: LinkSource | None,
    *,
    allow_loopback: bool,
) -> Blob:
    """Fetch the bytes of one image; see `Wire.download`."""
    if is_data_uri(url):
        return await _decode_data_uri(wire, provider, url, lease)
    timeout_s = wire.limits.transfer_s
    with anyio.move_on_after(timeout_s) as timeout_scope:
        gate = MemoryGate(lease, timeout_scope)
        follower = _Follower(wire, provider, gate)
        return await _try_candidates(
            follower, url, source, allow_loopback=allow_loopback
        )
    raise Incomplete(provider, f"the download took longer than {timeout_s:g} s")


async def _try_candidates(
    follower: _Follower, url: str, source: LinkSource | None, *, allow_loopback: bool
) -> Blob:
    try:
        candidates = [read_url(url)] if source is None else source.candidates(url)
    except HTTPX_ERRORS as error:
        raise download_error(follower.provider, "the link", error) from error
    lost: LinkLost | None = None
    for candidate in candidates:
        try:
            return await follower.follow(
                candidate, source, allow_loopback=allow_loopback
            )
        except LinkLost as error:
            # The error of the first URL is the one to report: the others are guesses.
            lost = lost or error
    raise lost or LinkLost(follower.provider, "the link names no place")


class _Follower:
    """Follow a link over its redirects; each redirect is checked like the link."""

    def __init__(self, wire: Wire, provider: str, gate: MemoryGate) -> None:
        self.provider = provider
        self._wire = wire
        self._gate = gate

    async def follow(
        self, url: httpx.URL, source: LinkSource | None, *, allow_loopback: bool
    ) -> Blob:
        host = "the link"
        keys: Mapping[str, str] = {} if source is None else source.key_headers
        try:
            for _ in range(self._wire.limits.redirects + 1):
                url = prefer_https(url, source, allow_loopback=allow_loopback)
                host = url.host
                scope = scope_of_link(url, source, allow_loopback=allow_loopback)
                if scope is not AddressScope.LOOPBACK and not self._wire.paid_hosts:
                    # Not a UsageError: one strange link must not end the whole run.
                    raise AddressForbidden(loopback_only_message(host))
                is_own = source is not None and source.owns_origin(url)
                image_or_url = await self._fetch(url, scope, keys if is_own else {})
                if isinstance(image_or_url, Blob):
                    return image_or_url
                url = image_or_url
                # After a host on the internet, no redirect may lead to this machine or
                # to the provider's network. The key is never sent after a redirect.
                allow_loopback = scope is AddressScope.LOOPBACK
                source = None if scope is AddressScope.PUBLIC else source
                keys = {}
        except HTTPX_ERRORS as error:
            drop_tracebacks(error)
            raise download_error(self.provider, host, error) from error
        hops = self._wire.limits.redirects
        raise LinkLost(self.provider, f"the link led through more than {hops} hops")

    async def _fetch(
        self, url: httpx.URL, scope: AddressScope, key_headers: Mapping[str, str]
    ) -> Blob | httpx.URL:
        """Return the image, or the URL of a redirect.

        If the answer asks for a key, there is a second request with `key_headers`.
        """
        response = await self._open(url, scope, {})
        try:
            if response.status_code in _WANTS_KEY and key_headers:
                await response.aclose()
                response = await self._open(url, scope, key_headers)
                if response.has_redirect_location:
                    message = "with the key, the link leads elsewhere: not followed"
                    raise LinkLost(self.provider, message)
            headers = dict(response.headers.items())
            if response.has_redirect_location:
                return join_url(url, headers["location"])
            if response.status_code != 200:
                raise error_of_status(self.provider, response)
            limits = self._wire.limits
            with closing(ImageSink()) as sink:
                max_bytes, silence_s = limits.image_bytes, limits.silence_s
                await read_body(
                    response, headers, self._gate, sink, max_bytes, silence_s
                )
                return sink.image()
        finally:
            await response.aclose()

    async def _open(
        self, url: httpx.URL, scope: AddressScope, headers: Mapping[str, str]
    ) -> httpx.Response:
        request = build_download(url, headers)
        return await self._wire.open(request, scope, self._wire.limits.silence_s)


async def _decode_data_uri(
    wire: Wire, provider: str, uri: str, lease: MemoryLease
) -> Blob:
    # Base64 is a third larger than the bytes that it encodes.
    if len(uri) > wire.limits.image_bytes * 3 // 2:
        raise _rejected(provider, "the data URI is too large")
    await lease.grow(len(uri))
    blob = await wire.decode(partial(decode_data_uri, uri), len(uri))
    if blob is None:
        raise _rejected(provider, "the data URI cannot be decoded")
    return blob


def _rejected(provider: str, message: str) -> ImageRejected:
    error = ImageRejected(provider, message)
    error.is_final = True
    return error
