"""Which hosts NO_PROXY keeps from the proxy."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.request import getproxies_environment, proxy_bypass

import httpx

from batchgen.wire.address_scope import read_address

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_SEPARATORS = re.compile(r"[,\s]+")
_WITH_PORT = re.compile(r"(\[[^\]]+\]|[^:]+):(\d{1,5})")


def goes_direct(url: httpx.URL) -> bool:
    """Say whether NO_PROXY names the host of a URL.

    Its entries are parted by commas or blanks. Each is a host, which stands for its
    subdomains, too, with or without a leading dot; an address or a network, such as
    10.0.0.0/8; either of them maybe with a port; or `*` for all.
    """
    environment = getproxies_environment()
    if not environment:  # macOS and its system settings
        return bool(proxy_bypass(url.host))
    listed = environment.get("no", "")
    port = url.port or _PORTS.get(url.scheme, 0)
    return any(
        _matches(entry, url.host.rstrip(".").lower(), port)
        for entry in _SEPARATORS.split(listed.strip())
        if entry
    )


@lru_cache(maxsize=4096)
def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name = entry
    if with_port := _WITH_PORT.fullmatch(entry):
        name = with_port[1]
        if int(with_port[2]) != port:
            return False
    address = read_address(host)
    if address is not None:
        return _holds(name, address)
    domain = name.removeprefix("*").strip(".").lower()
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _holds(network: str, address: Address) -> bool:
    try:
        return address in ipaddress.ip_network(network.strip("[]"), strict=False)
    except ValueError:
        return False
