"""Read a URL with the very parser that sends requests, so that the two never differ."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

import httpx

from batchgen.addresses.characters import find_hidden, name_of
from batchgen.addresses.reference_kinds import holds_login

_ORIGIN = re.compile(r"(?i)https?://[^/?#]*")
_SECOND = re.compile(r"(?i)\s(?=https?://)")
_LONGEST = 16_000
"""No server that is known reads longer ones; httpx refuses them above 65,536
characters, also where those that it escapes make a URL longer."""
_LOGIN_WORDS = (
    "holds a user name or password, which must not stand in a table; give a URL that "
    "opens without"
)
_LABEL = re.compile(r"(?i)[a-z0-9_-]{1,63}")


def read_url(text: str) -> httpx.URL:
    """Return a URL, maybe a relative one, all of whose parts can be read.

    Raises:
        httpx.InvalidURL: it cannot be used, for whatever reason.
    """
    return _checked(partial(httpx.URL, text))


def join_url(base: httpx.URL, text: str) -> httpx.URL:
    """Return where a URL leads that may be relative to another.

    Raises:
        httpx.InvalidURL: it leads nowhere.
    """
    return _checked(partial(base.join, read_url(text)))


def _checked(make: Callable[[], httpx.URL]) -> httpx.URL:
    """Return a URL that is whole: httpx raises errors of the libraries it stands on.

    Raises:
        httpx.InvalidURL: it is not.
    """
    try:
        url = make()
        # Some parts are decoded only when they are asked for.
        host, port = url.host, url.port
        str(url)
    except httpx.InvalidURL:
        raise
    except ValueError as error:  # of idna, urllib, or surrogates
        raise httpx.InvalidURL(" ".join(str(error).split())) from error
    if port is not None and not 0 < port < 65536:
        raise httpx.InvalidURL(f"port {port} is not from 1 to 65535")
    if host and ":" not in host and (problem := _problem_of_name(url)) is not None:
        raise httpx.InvalidURL(problem)
    return url


def problem_of_url(text: str) -> str | None:
    """Return what is wrong with an http(s) URL that a person wrote, None if nothing.

    The words complete a sentence that begins with the URL.
    """
    if (index := find_hidden(text)) is not None:
        name = name_of(text[index])
        return f"holds {name} at character {index + 1}; delete it"
    if second := _SECOND.search(text):
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
    if len(text) <= _LONGEST and rest.isascii():
        return None  # whatever is printable is taken, or escaped
    try:
        length = len(str(read_url(text)))
    except httpx.InvalidURL:
        length = len(text)
    return f"is too long ({length:,} characters)" if length > _LONGEST else None


@lru_cache(maxsize=4096)
def _problem_of_origin(origin: str) -> str | None:
    """Return what is wrong with scheme, host and port; tables name few of them."""
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


def _problem_of_name(url: httpx.URL) -> str | None:
    """Return why nobody can look up a host, judged as it goes to the name server."""
    name = url.raw_host.decode("ascii").removesuffix(".")
    if len(name) > 253:
        return "the host is longer than any name"
    if any(_LABEL.fullmatch(label) is None for label in name.split(".")):
        return f"the host {name[:100]!r} is no name"
    return None
