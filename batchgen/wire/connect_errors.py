"""Why no connection came about that trying again would not mend: TLS and proxies.

Nothing of a request left when one of these is raised.
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
"""What the numbers of OpenSSL (X509_V_ERR_...) mean, and what to do."""


def certificate_message(place: str, error: Exception) -> str:
    """Return why a certificate was not accepted, and what to do.

    Args:
        place: Who showed the certificate.
        error: What OpenSSL says.
    """
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else -1
    what, remedy = _CERTIFICATE_ERRORS.get(code, ("", _HOW_TO_TRUST))
    if not what:
        reason = getattr(error, "verify_message", "") or str(error)
        what = f"cannot be trusted ({' '.join(reason.split())})"
    return (
        f"no secure connection to {place}: its certificate {what}. {remedy}. "
        f"Trusted now: {describe_trusted()}"
    )


_TEMPORARY = frozenset({408, 425, 429})


def is_refusal(status: int) -> bool:
    """Say whether a proxy's answer to CONNECT is a no that stands."""
    return 400 <= status < 500 and status not in _TEMPORARY


def refusal_message(proxy: Proxy, status: int, host: str) -> str:
    """Return what a proxy's refusal means, and what to do.

    Args:
        proxy: The proxy.
        status: Of its answer.
        host: Where the request was to go.
    """
    if status == 407:
        what = (
            "wants a user name and a password"
            if proxy.login is None
            else "does not accept the user name and the password"
        )
        return (
            f"the proxy {proxy.place} {what} (HTTP 407): set {proxy.variable} to "
            "http://user:password@host:port, special characters percent-encoded (@ as "
            "%40)"
        )
    return (
        f"the proxy {proxy.place} does not allow connections to {host} (HTTP "
        f"{status}): ask whoever runs it, name another proxy in {proxy.variable}, or "
        f"set NO_PROXY={host} to go without one"
    )


_SQUID_CONNECT_ERRORS = frozenset({"ERR_CONNECT_FAIL", "ERR_DNS_FAIL"})
"""What Squid names in `X-Squid-Error` where no connection onwards came about."""

_SQUID_REFUSALS = frozenset({"ERR_ACCESS_DENIED", "ERR_FORWARDING_DENIED"})
"""What Squid names there where its own rules forbid the request."""


def proxy_error_of(
    proxy: Proxy, host: str, status: int, headers: Mapping[str, str]
) -> httpx.ProxyError | None:
    """Return the error of a request that a proxy surely did not pass on, else None.

    Of plain http a proxy answers what it cannot pass on with a page of its own, which
    looks like an answer of the server. Only pages that say for certain that nothing
    was passed on count; after all others the request may have arrived.

    Args:
        proxy: Where the request was sent.
        host: Where the proxy was to pass the request on to.
        status: Of the answer.
        headers: Of the answer.
    """
    page = headers.get("X-Squid-Error", "").partition(" ")[0]
    if status == 407 or (page in _SQUID_REFUSALS and is_refusal(status)):
        return ProxyRefused(refusal_message(proxy, status, host))
    if page in _SQUID_CONNECT_ERRORS and status >= 500:
        return httpx.ProxyError(
            f"the proxy {proxy.place} opens no connection to it ({status} {page})"
        )
    return None
