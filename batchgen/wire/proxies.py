"""Which proxy the environment names, for which hosts, and which parts are secret."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote
from urllib.request import getproxies, getproxies_environment, proxy_bypass

import httpx
import pybase64

from batchgen.addresses.url import is_loopback_host, read_address, read_url
from batchgen.errors import SpecError
from batchgen.wire.address_scope import DEFAULT_PORTS

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SEPARATORS = re.compile(r"[,\s]+")
_WITH_PORT = re.compile(r"(\[[^\]]+\]|[^:]+):(\d{1,5})")
_SCHEMES = ("http", "https")

_SYSTEM_SETTINGS = "the system's settings"
"""Where a proxy comes from on macOS, if no variable names one."""


@dataclass(frozen=True, slots=True)
class Login:
    """User name and password for a proxy; the password is a secret like a key."""

    user: str
    password: str = field(repr=False)

    @property
    def as_basic(self) -> str:
        """The login in HTTP's Basic scheme."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {pybase64.b64encode(pair).decode()}"

    @property
    def secret(self) -> str:
        """The password; without one, the user name, which is then a token."""
        return self.password or self.user


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names.

    Attributes:
        url: Without user name and password.
        variable: The environment variable that names it.
    """

    url: str
    variable: str
    login: Login | None = None

    @property
    def place(self) -> str:
        """Host, port and variable, as messages name the proxy."""
        address = httpx.URL(self.url).netloc.decode()
        return f"{address} ({self.variable})"

    def is_at(self, host: str, port: int | None) -> bool:
        """Return whether the proxy has this host and port."""
        url = httpx.URL(self.url)
        return (url.host, url.port or DEFAULT_PORTS[url.scheme]) == (host, port)


def read_proxies() -> Mapping[str, Proxy]:
    """Return the proxy for each scheme, as the environment names them.

    Raises:
        SpecError: batchgen cannot use one of them.
    """
    urls = getproxies()
    proxies = {}
    for scheme in _SCHEMES:
        for name in (scheme, "all"):
            if text := urls.get(name):
                proxies[scheme] = _read_proxy(text, _variable_of(name, text))
                break
    return proxies


def _variable_of(name: str, text: str) -> str:
    """Return the variable that names a proxy: lower case counts first."""
    variable = f"{name}_proxy"
    candidates = (variable, variable.upper(), *os.environ)
    return next(
        (
            candidate
            for candidate in candidates
            if candidate.lower() == variable and os.environ.get(candidate) == text
        ),
        _SYSTEM_SETTINGS,
    )


def _read_proxy(text: str, variable: str) -> Proxy:
    # No message repeats the text: it may contain a password.
    text = text.strip()
    url = text if "://" in text else f"http://{text}"
    kind, _, rest = url.partition("://")
    if kind.lower() not in _SCHEMES:
        raise SpecError(
            f"{variable} names a {_scheme_name(kind)} proxy, which batchgen cannot "
            f"use: set {variable} to an http:// proxy, or unset it. Nothing was sent"
        )
    login, address = _split_login(rest)
    try:
        parsed = read_url(f"{kind}://{address}")
        extra = parsed.userinfo or parsed.query or parsed.fragment
        is_valid = bool(parsed.host) and parsed.path in ("", "/") and not extra
    except httpx.InvalidURL:
        is_valid = False
    if not is_valid or (login is not None and ":" in login.user):
        raise SpecError(
            f"{variable} is no whole address of a proxy: set {variable} to one like "
            "http://proxy.example:8080 or http://user:password@proxy.example:8080, "
            "special characters in user and password percent-encoded (@ as %40, / as "
            "%2F, # as %23), or unset it. Nothing was sent"
        )
    return Proxy(str(parsed), variable, login)


def _scheme_name(kind: str) -> str:
    is_word = kind.isascii() and kind.isalnum() and len(kind) <= 10
    return kind.lower() if is_word else "strange"


def _split_login(rest: str) -> tuple[Login | None, str]:
    """Split what follows a scheme into the login, decoded, and the address."""
    userinfo, at, address = rest.rpartition("@")
    if not at or any(sign in userinfo for sign in "/?#"):
        return None, rest  # then the address is not valid
    user, _, password = userinfo.partition(":")
    return Login(unquote(user), unquote(password)), address


def proxy_logins() -> list[Login]:
    """Return the logins in all variables, whether or not their proxies are used.

    Each both as it is written and decoded; also of a proxy with an invalid address.
    """
    values = {
        value for name, value in os.environ.items() if name.lower().endswith("_proxy")
    }
    logins = {
        login: None
        for value in values | {*getproxies().values()}
        for login in _logins_in(value)
    }
    return list(logins)


def _logins_in(value: str) -> Iterator[Login]:
    rest = value.partition("://")[2] or value
    userinfo, at, _ = rest.rpartition("@")
    if at and userinfo:
        user, _, password = userinfo.partition(":")
        yield Login(user, password)
        yield Login(unquote(user), unquote(password))


def find_proxy(url: httpx.URL, proxies: Mapping[str, Proxy]) -> Proxy | None:
    """Return the proxy for a URL, or None to connect directly.

    Requests to loopback never go to a proxy: for the proxy, it is another machine.
    """
    proxy = proxies.get(url.scheme)
    if proxy is None or is_loopback_host(url.host) or goes_direct(url):
        return None
    return proxy


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
