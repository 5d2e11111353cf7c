"""Failures to connect that another try would not repair: TLS and proxies.

When one of these is raised, nothing of the request was sent.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import MappingProxyType

import httpx

from batchgen.wire.certificates import FILE_VARIABLES, describe_trusted
from batchgen.wire.proxies import Proxy


class CertificateUntrusted(httpx.ConnectError):
    """A server, or a proxy over https, did not prove who it is; nothing was sent."""


class ProxyRefused(httpx.ProxyError):
    """The proxy will not pass requests on, now or later; nothing was sent."""


_HOW_TO_TRUST = (
    "If you trust it, save its certificate, or the one of its authority, as a PEM file "
    f"and set {FILE_VARIABLES[0]} to the path"
)
_CERTIFICATE_ERRORS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        9: ("is not valid yet", "Check this computer's clock"),
        10: (
            "has expired",
            "Whoever runs that server has to renew it; if this was done, check this "
            "computer's clock",
        ),
        18: ("is self-signed: no authority vouches for it", _HOW_TO_TRUST),
        19: (
            "comes from an unknown authority, as a company's own proxy uses one",
            _HOW_TO_TRUST,
        ),
        20: ("comes from an unknown authority", _HOW_TO_TRUST),
        21: (
            "comes from an unknown authority, or the server does not send the "
            "certificates between",
            _HOW_TO_TRUST,
        ),
        23: ("was revoked", "Do not send anything there"),
        62: ("is for another name, not for this host", "Check the address"),
        64: ("is for another name, not for this address", "Check the address"),
    }
)
"""Meaning of OpenSSL's codes (X509_V_ERR_...), and what to do about each."""


def certificate_message(place: str, error: Exception) -> str:
    """Return why a server's or proxy's certificate was not accepted, and what to do."""
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else -1
    problem, remedy = _CERTIFICATE_ERRORS.get(code, ("", _HOW_TO_TRUST))
    if not problem:
        reason = getattr(error, "verify_message", "") or str(error)
        problem = f"cannot be trusted ({' '.join(reason.split())})"
    return (
        f"no secure connection to {place}: its certificate {problem}. {remedy}. "
        f"Trusted now: {describe_trusted()}"
    )


_TEMPORARY = frozenset({408, 425, 429})


def is_refusal(status: int) -> bool:
    """Return whether a proxy's answer to CONNECT is a lasting refusal."""
    return 400 <= status < 500 and status not in _TEMPORARY


def refusal_message(proxy: Proxy, status: int, host: str) -> str:
    """Return what a proxy's refusal means, and what to do."""
    if status == 407:
        problem = (
            "wants a user name and a password"
            if proxy.login is None
            else "does not accept the user name and the password"
        )
        return (
            f"the proxy {proxy.place} {problem} (HTTP 407): set {proxy.variable} to "
            "http://user:password@host:port, special characters percent-encoded (@ as "
            "%40)"
        )
    return (
        f"the proxy {proxy.place} does not allow connections to {host} (HTTP "
        f"{status}): ask whoever runs it, name another proxy in {proxy.variable}, or "
        f"set NO_PROXY={host} to go without one"
    )


_SQUID_CONNECT_ERRORS = frozenset({"ERR_CONNECT_FAIL", "ERR_DNS_FAIL"})
"""In Squid's header `X-Squid-Error`: the proxy got no connection to the server."""

_SQUID_REFUSALS = frozenset({"ERR_ACCESS_DENIED", "ERR_FORWARDING_DENIED"})
"""In the same header: the proxy's own rules forbid the request."""


def proxy_error_of(
    proxy: Proxy, host: str, status: int, headers: Mapping[str, str]
) -> httpx.ProxyError | None:
    """Return the error of a request that a proxy certainly did not pass on, else None.

    A plain http request that a proxy cannot pass on is answered with a page of the
    proxy, which looks like an answer of the server. Only pages that are certain count:
    after any other page the request may have arrived.
    """
    page = headers.get("X-Squid-Error", "").partition(" ")[0]
    if status == 407 or (page in _SQUID_REFUSALS and is_refusal(status)):
        return ProxyRefused(refusal_message(proxy, status, host))
    if page in _SQUID_CONNECT_ERRORS and status >= 500:
        return httpx.ProxyError(
            f"the proxy {proxy.place} opens no connection to it ({status} {page})"
        )
    return None
