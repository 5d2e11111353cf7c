"""Whether a base URL is a provider's own, so that what it documents holds there."""

from __future__ import annotations

import httpx

from batchgen.addresses.url import read_url
from batchgen.model import Job
from batchgen.provider import Defaults
from batchgen.wire import is_loopback_host


def is_own_address(base_url: str | None, defaults: Defaults) -> bool:
    """Say whether a base URL leads to the provider itself.

    Prices, rates and shutdowns are the provider's own facts: a gateway or a reseller
    of the same shape has others. This machine counts as the provider's own, for
    rehearsals and tests; and so does any address of a provider that names none.

    Args:
        base_url: As the job states it; None for the provider's own.
        defaults: The provider's.
    """
    if base_url is None or defaults.base_url is None:
        return True
    url, own = read_url(base_url), read_url(defaults.base_url)
    return is_loopback_host(url.host) or (url.host, url.port) == (own.host, own.port)


def is_documented_address(base_url: str, documented: str | None) -> bool:
    """Say whether a base URL leads to the host that a provider itself documents.

    Args:
        base_url: As the job states it.
        documented: The provider's; None where it documents none.
    """
    return documented is not None and _origin(read_url(base_url)) == _origin(
        read_url(documented)
    )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    usual = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or usual


def is_named_address(base_url: str, job: Job, name: str, defaults: Defaults) -> bool:
    """Say whether a provider's key may go to a base URL that a run folder holds.

    A folder may have been in other hands. So its word is not enough: the job, the
    command line or the provider's own facts must name that host. Where they put this
    provider on this machine, any port of this machine counts.
    """
    try:
        url = read_url(base_url)
    except httpx.InvalidURL:
        return False
    if url.userinfo or url.query or url.fragment:
        return False  # no job may name such a one
    named = [job.terms_of(name).base_url, defaults.base_url]
    if any(is_documented_address(base_url, each) for each in named):
        return True
    stated = job.terms_of(name).base_url
    return (
        stated is not None
        and is_loopback_host(read_url(stated).host)
        and is_loopback_host(url.host)
    )
