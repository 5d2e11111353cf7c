"""Where a link leads: its base URL, the addresses it may go to, and the key it gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import httpx

from batchgen.addresses.url import is_loopback_host, join_url, read_url
from batchgen.wire.address_scope import (
    DEFAULT_PORTS,
    AddressForbidden,
    AddressScope,
    check_host,
)


@dataclass(frozen=True)
class LinkSource:
    """The provider that gave a link, and to which the job sends requests anyway.

    Attributes:
        base_url: Of the purchase; links to the same host may always be followed.
        key_headers: The headers with the key of the provider's own calls.
    """

    base_url: str
    key_headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_loopback(self) -> bool:
        """Whether the provider is on this machine: then its links may be, too."""
        return is_loopback_host(self.url.host)

    def candidates(self, link: str) -> list[httpx.URL]:
        """Return the URLs that a link may mean, most likely first.

        A relative link is relative to the host or to the base URL: both occur on
        servers behind a path prefix.

        Raises:
            httpx.InvalidURL: the link is not a URL.
        """
        url = read_url(link)
        if url.scheme:
            return [url]
        base = self.url
        folder = base.copy_with(raw_path=base.raw_path.rstrip(b"/") + b"/")
        root = base.copy_with(raw_path=b"/")
        if link.startswith("//"):
            return [join_url(base, link)]
        inner = join_url(folder, link.lstrip("/"))
        outer = join_url(root, link)
        ordered = [outer, inner] if link.startswith("/") else [inner, outer]
        return list(dict.fromkeys(ordered))

    def owns_host(self, url: httpx.URL) -> bool:
        """Return whether a URL leads to the provider's own host."""
        return url.host.lower() == self.url.host.lower()

    def owns_origin(self, url: httpx.URL) -> bool:
        """Return whether scheme, host and port are the provider's own."""
        return self.owns_host(url) and _origin(url) == _origin(self.url)

    @cached_property
    def url(self) -> httpx.URL:
        """The base URL, read."""
        return read_url(self.base_url)


def _origin(url: httpx.URL) -> tuple[str, int | None]:
    return url.scheme, url.port or DEFAULT_PORTS.get(url.scheme)


def prefer_https(
    url: httpx.URL, source: LinkSource | None, *, allow_loopback: bool
) -> httpx.URL:
    """Return a link with https in place of http, except where http is allowed.

    After a redirect by another host than the provider's, `source` is None.
    """
    if (
        url.scheme != "http"
        or not url.host
        or (allow_loopback and is_loopback_host(url.host))
    ):
        return url
    if source is not None and source.owns_host(url) and source.url.scheme == "http":
        return url
    return url.copy_with(scheme="https", port=None if url.port == 80 else url.port)


def scope_of_link(
    url: httpx.URL, source: LinkSource | None, *, allow_loopback: bool
) -> AddressScope:
    """Return the addresses that a link may lead to: public ones, with https.

    Two exceptions: links to the host of the provider's base URL, and from a provider on
    loopback all links to loopback.

    Raises:
        AddressForbidden: the link may not be followed.
    """
    is_http = url.scheme in ("http", "https") and bool(url.host)
    if allow_loopback and is_loopback_host(url.host) and is_http:
        return AddressScope.LOOPBACK
    if source is not None and source.owns_host(url) and is_http:
        if is_loopback_host(url.host):
            return AddressScope.LOOPBACK
        scope = AddressScope.PRIVATE if url.scheme == "http" else AddressScope.ANY
        check_host(url.host, scope)
        return scope
    if url.scheme == "https" and url.host and not is_loopback_host(url.host):
        check_host(url.host, AddressScope.PUBLIC)
        return AddressScope.PUBLIC
    origin = f"{url.scheme}://{url.host}"
    raise AddressForbidden(f"{origin} is no https link to a public address")
