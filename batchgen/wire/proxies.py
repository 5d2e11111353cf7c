"""Which proxy the environment asks for, and what of it is secret."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote
from urllib.request import getproxies

import httpx
import pybase64

from batchgen.addresses.url import read_url
from batchgen.errors import SpecError
from batchgen.wire.address_scope import is_loopback_host
from batchgen.wire.no_proxy import goes_direct

_SCHEMES = ("http", "https")
_PORTS = {"http": 80, "https": 443}
_SYSTEM_SETTINGS = "the system's settings"
"""Where a proxy comes from on macOS when no variable names one."""


@dataclass(frozen=True, slots=True)
class Login:
    """User name and password for a proxy; the password is a secret like a key."""

    user: str
    password: str = field(repr=False)

    @property
    def as_basic(self) -> str:
        """What HTTP's Basic scheme makes of it."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {pybase64.b64encode(pair).decode()}"

    @property
    def secret(self) -> str:
        """The password; the user name where that is all: then it is a token."""
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
        """Say whether this is what a connection was to be opened to."""
        url = httpx.URL(self.url)
        return (url.host, url.port or _PORTS[url.scheme]) == (host, port)


def read_proxies() -> Mapping[str, Proxy]:
    """Return the proxy for each scheme, as the environment names them.

    Raises:
        SpecError: it names one that batchgen cannot speak to.
    """
    named = getproxies()
    proxies = {}
    for scheme in _SCHEMES:
        for name in (scheme, "all"):
            if text := named.get(name):
                proxies[scheme] = _read_proxy(text, _variable_of(name, text))
                break
    return proxies


def _variable_of(name: str, text: str) -> str:
    """Return the variable that names a proxy: lower case counts first."""
    variable = f"{name}_proxy"
    candidates = (variable, variable.upper(), *os.environ)
    return next(
        (
            each
            for each in candidates
            if each.lower() == variable and os.environ.get(each) == text
        ),
        _SYSTEM_SETTINGS,
    )


def _read_proxy(text: str, variable: str) -> Proxy:
    # The text is not repeated in a message: a password may stand in it.
    text = text.strip()
    url = text if "://" in text else f"http://{text}"
    kind, _, rest = url.partition("://")
    if kind.lower() not in _SCHEMES:
        raise SpecError(
            f"{variable} names a {_kind_words(kind)} proxy, which batchgen cannot use: "
            f"set {variable} to an http:// proxy, or unset it. Nothing was sent"
        )
    login, address = _split_login(rest)
    try:
        parsed = read_url(f"{kind}://{address}")
        is_whole = bool(parsed.host) and parsed.path in ("", "/")
        is_whole = is_whole and not (parsed.userinfo or parsed.query or parsed.fragment)
    except httpx.InvalidURL:
        is_whole = False
    if not is_whole or (login is not None and ":" in login.user):
        raise SpecError(
            f"{variable} is no whole address of a proxy: set {variable} to one like "
            "http://proxy.example:8080 or http://user:password@proxy.example:8080, "
            "special characters in user and password percent-encoded (@ as %40, / as "
            "%2F, # as %23), or unset it. Nothing was sent"
        )
    return Proxy(str(parsed), variable, login)


def _kind_words(kind: str) -> str:
    is_word = kind.isascii() and kind.isalnum() and len(kind) <= 10
    return kind.lower() if is_word else "strange"


def _split_login(rest: str) -> tuple[Login | None, str]:
    """Split what follows a scheme into the login, decoded, and the address."""
    userinfo, at, address = rest.rpartition("@")
    if not at or any(sign in userinfo for sign in "/?#"):
        return None, rest  # the address is not whole then
    user, _, password = userinfo.partition(":")
    return Login(unquote(user), unquote(password)), address


def proxy_logins() -> list[Login]:
    """Return each login that a variable names, whether or not its proxy is used.

    Both as it stands there and decoded; also of a proxy whose address is not whole.
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

    Loopback is never sent to a proxy: there it would mean another machine.
    """
    proxy = proxies.get(url.scheme)
    if proxy is None or is_loopback_host(url.host) or goes_direct(url):
        return None
    return proxy
