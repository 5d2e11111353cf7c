"""Which proxy the environment asks for."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.request import getproxies, proxy_bypass

import httpx

from batchgen.addresses.url import read_url
from batchgen.errors import SpecError
from batchgen.wire.network import is_loopback_host


def read_proxies() -> Mapping[str, str]:
    """Return the proxy for each scheme, as the environment names them.

    Raises:
        SpecError: it names one that batchgen cannot speak to.
    """
    named = getproxies()
    chosen = {
        scheme: _check_proxy(scheme, named.get(scheme) or named.get("all"))
        for scheme in ("http", "https")
    }
    return {scheme: proxy for scheme, proxy in chosen.items() if proxy}


def _check_proxy(scheme: str, proxy: str | None) -> str | None:
    if not proxy:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not url.lower().startswith(("http://", "https://")):
        kind = url.partition("://")[0]
        raise SpecError(
            f"the environment names a {kind} proxy, which batchgen cannot use; set "
            f"{scheme.upper()}_PROXY to an http:// proxy, or unset the variable"
        )
    try:
        is_whole = bool(read_url(url).host)
    except httpx.InvalidURL:
        is_whole = False
    if not is_whole:
        # Not repeated in the message: a password may stand in it.
        raise SpecError(
            f"the proxy that the environment names for {scheme} is no whole address; "
            f"set {scheme.upper()}_PROXY to one like http://proxy.example:8080, or "
            "unset the variable"
        )
    return url


def find_proxy(url: httpx.URL, proxies: Mapping[str, str]) -> str | None:
    """Return the proxy for a URL, or None to connect directly.

    Loopback is never sent to a proxy: there it would mean another machine.
    """
    proxy = proxies.get(url.scheme)
    if proxy is None or is_loopback_host(url.host) or proxy_bypass(url.host):
        return None
    return proxy
