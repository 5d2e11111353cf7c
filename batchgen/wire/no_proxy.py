"""Which hosts are reached without a proxy, because NO_PROXY names them."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.request import getproxies_environment, proxy_bypass

import httpx

from batchgen.addresses.url import read_address
from batchgen.wire.address_scope import DEFAULT_PORTS

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SEPARATORS = re.compile(r"[,\s]+")
_WITH_PORT = re.compile(r"(\[[^\]]+\]|[^:]+):(\d{1,5})")


def goes_direct(url: httpx.URL) -> bool:
    """Return whether NO_PROXY names the host of a URL.

    Its entries are separated by commas or blanks. An entry is a host, which includes
    its subdomains, with or without a leading dot; an address or a network such as
    10.0.0.0/8; either of them with or without a port; or `*` for all hosts.
    """
    environment = getproxies_environment()
    if not environment:  # then the settings of macOS count
        return bool(proxy_bypass(url.host))
    entries = _SEPARATORS.split(environment.get("no", "").strip())
    port = url.port or DEFAULT_PORTS.get(url.scheme, 0)
    host = url.host.rstrip(".").lower()
    return any(_matches(entry, host, port) for entry in entries if entry)


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
        return _contains(name, address)
    domain = name.removeprefix("*").strip(".").lower()
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _contains(network: str, address: Address) -> bool:
    try:
        return address in ipaddress.ip_network(network.strip("[]"), strict=False)
    except ValueError:
        return False
