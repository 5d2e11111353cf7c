"""Parse URLs with the parser of the HTTP client, so that both read a URL alike."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv6Address

import httpx

from batchgen.addresses.characters import find_hidden, name_of
from batchgen.addresses.reference_kinds import holds_login

_ORIGIN = re.compile(r"(?i)https?://[^/?#]*")
_SECOND_URL = re.compile(r"(?i)\s(?=https?://)")
_MAX_CHARACTERS = 16_000
"""No known server reads longer URLs. httpx refuses more than 65,536 characters, counted
after escaping."""
_LOGIN_WORDS = (
    "holds a user name or password, which must not stand in a table; give a URL that "
    "opens without"
)
_LABEL = re.compile(r"(?i)[a-z0-9_-]{1,63}")


def read_url(text: str) -> httpx.URL:
    """Parse a URL, absolute or relative; each part of the result can be read.

    Raises:
        httpx.InvalidURL: some part of it cannot be used.
    """
    return _checked(partial(httpx.URL, text))


def join_url(base: httpx.URL, text: str) -> httpx.URL:
    """Resolve a URL that may be relative to another.

    Raises:
        httpx.InvalidURL: the result cannot be used.
    """
    return _checked(partial(base.join, read_url(text)))


def _checked(make: Callable[[], httpx.URL]) -> httpx.URL:
    """Make a URL and read each part, so that every error is an `InvalidURL`.

    httpx lets errors of its libraries through.

    Raises:
        httpx.InvalidURL: some part cannot be used.
    """
    try:
        url = make()
        # httpx decodes some parts only when the attribute is read.
        host, port = url.host, url.port
        str(url)
    except httpx.InvalidURL:
        raise
    except ValueError as error:  # from idna or urllib, or for surrogates
        raise httpx.InvalidURL(" ".join(str(error).split())) from error
    if port is not None and not 0 < port < 65536:
        raise httpx.InvalidURL(f"port {port} is not from 1 to 65535")
    if host and ":" not in host and (problem := _problem_of_name(url)) is not None:
        raise httpx.InvalidURL(problem)
    return url


def _problem_of_name(url: httpx.URL) -> str | None:
    """Return why no name server can resolve a host; the encoded name is checked."""
    name = url.raw_host.decode("ascii").removesuffix(".")
    if len(name) > 253:
        return "the host is longer than any name"
    if any(_LABEL.fullmatch(label) is None for label in name.split(".")):
        return f"the host {name[:100]!r} is no name"
    return None


def is_loopback_host(host: str) -> bool:
    """Return whether a host is loopback by its name or address."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = read_address(host)
    return address is not None and is_loopback(address)


@lru_cache(maxsize=4096)
def read_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return a host that is written as an address; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_loopback(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is loopback for this machine."""
    # Only mapped addresses. An address that another prefix embeds is loopback for the
    # machine that translates it, not for this one.
    mapped = None if isinstance(address, IPv4Address) else address.ipv4_mapped
    return (mapped or address).is_loopback


def problem_of_url(text: str) -> str | None:
    """Return what is wrong with an http(s) URL that a person wrote; None for nothing.

    The text completes a sentence that begins with the URL.
    """
    if (index := find_hidden(text)) is not None:
        return f"holds {name_of(text[index])} at character {index + 1}; delete it"
    if second := _SECOND_URL.search(text):
        return (
            f"holds a second URL at character {second.end() + 1}; part them with | or "
            "with a comma"
        )
    match = _ORIGIN.match(text)
    origin, rest = (match[0], text[match.end() :]) if match else (text, "")
    problem = _LOGIN_WORDS if holds_login(text) else _problem_of_origin(origin)
    if problem is not None:
        return problem
    if "\\" in rest.partition("?")[0]:
        return "holds a backslash; a URL is written with /"
    if len(text) <= _MAX_CHARACTERS and rest.isascii():
        return None  # each printable character is allowed, or is escaped by httpx
    try:
        length = len(str(read_url(text)))
    except httpx.InvalidURL:
        length = len(text)
    return f"is too long ({length:,} characters)" if length > _MAX_CHARACTERS else None


@lru_cache(maxsize=4096)
def _problem_of_origin(origin: str) -> str | None:
    """Return what is wrong with scheme, host and port.

    The cache helps because a table names few hosts.
    """
    authority = origin.partition("://")[2]
    if "\\" in authority:
        return "holds a backslash; a URL is written with /"
    if not authority or authority.startswith(":"):
        return "has no host, as in https://example.com/picture.png"
    host, _, port = authority.rpartition(":")
    has_port = bool(host) and "]" not in port
    if has_port and port and not _is_port(port):
        return f"has the port {port[:40]!r}, which is no number from 1 to 65535"
    try:
        read_url(origin)
    except httpx.InvalidURL:
        name = (host if has_port and "[" not in authority else authority)[:100]
        return f"has the host {name!r}, which is no name or address on the internet"
    return None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536
