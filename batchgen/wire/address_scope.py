"""Where requests may go: base URLs, image links, and the addresses behind names."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType

import httpx

from batchgen.addresses.url import (
    is_loopback,
    is_loopback_host,
    read_address,
    read_url,
)
from batchgen.errors import SpecError

DEFAULT_PORTS = MappingProxyType({"http": 80, "https": 443})

# RFC 6052: in a network without IPv4, IPv4 addresses are embedded in this prefix.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressScope(StrEnum):
    """The addresses that a request may be sent to."""

    ANY = "any"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    PUBLIC = "public"


class AddressForbidden(httpx.ConnectError):
    """The address is not in the scope of the request; nothing was sent."""


def loopback_only_message(host: str) -> str:
    """Return why no request goes to a host of a rehearsal or a test."""
    return f"this run may talk to loopback only, not to {host}"


def check_base_url(url: str, *, allow_http: bool) -> None:
    """Check where a provider's requests would go.

    A name with plain http cannot be checked here. Its address is checked before each
    connection.

    Raises:
        SpecError: not a URL, or one that would send the key in clear over the internet.
    """
    parsed = _parse_base_url(url)
    if parsed.scheme == "https" or is_loopback_host(parsed.host):
        return
    address = read_address(parsed.host)
    if address is not None and not _is_private(address):
        raise SpecError(
            f"base URL {url!r}: plain http would carry the key over the internet "
            "in clear; use https"
        )
    if not allow_http:
        raise SpecError(
            f"base URL {url!r}: plain http is taken on loopback only; use https, or "
            "say `allow_http = true` in the job if this is a private network"
        )


def _parse_base_url(url: str) -> httpx.URL:
    try:
        parsed = read_url(url)
    except httpx.InvalidURL as error:
        raise SpecError(f"base URL {url!r}: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SpecError(f"base URL {url!r}: write it as https://host/path")
    if parsed.userinfo:
        raise SpecError(
            "base URL: a user or password must not stand in it; keys come from the "
            "environment"
        )
    if parsed.query or parsed.fragment:
        raise SpecError(f"base URL {url!r}: leave out what follows `?` or `#`")
    return parsed


def check_host(host: str, scope: AddressScope) -> None:
    """Check a host that is written as an address; names are checked when resolved.

    Raises:
        AddressForbidden: the address is not in the scope.
    """
    address = read_address(host)
    if address is not None and not _allows(scope, address):
        raise AddressForbidden(f"{host} is not a {scope} address")


def allows(scope: AddressScope, address: str) -> bool:
    """Return whether a request of this scope may connect to an address."""
    parsed = read_address(address)
    return parsed is not None and _allows(scope, parsed)


def _allows(scope: AddressScope, address: IPv4Address | IPv6Address) -> bool:
    match scope:
        case AddressScope.ANY:
            return True
        case AddressScope.LOOPBACK:
            return is_loopback(address)
        case AddressScope.PRIVATE:
            return _is_private(address)
        case AddressScope.PUBLIC:
            return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    # Multicast, reserved and site-local ranges count as global in `ipaddress`.
    inner = _embedded(address)
    usual = inner.is_global and not inner.is_multicast and not inner.is_reserved
    return usual and not (isinstance(inner, IPv6Address) and inner.is_site_local)


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    inner = _embedded(address)
    odd = inner.is_multicast or inner.is_unspecified or inner.is_reserved
    return inner.is_loopback or not (_is_public(address) or odd)


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address embeds, else the address itself.

    Older versions of `ipaddress` do not see that `::ffff:127.0.0.1` is loopback.
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return (
        address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
    )
