"""Tell whether a base URL is a provider's own, so that its documented facts apply."""

from __future__ import annotations

import httpx

from batchgen.addresses.url import read_url
from batchgen.model import Job
from batchgen.providers.base import Defaults
from batchgen.wire import is_loopback_host


def is_own_address(base_url: str | None, defaults: Defaults) -> bool:
    """Tell whether a base URL leads to the provider itself.

    Prices, rates and shutdowns are facts of the provider: a gateway or a reseller with
    the same API has others. A loopback address counts as the provider's own, for
    rehearsals and tests, and so does any address of a provider without a default.

    Args:
        base_url: As the job states it; None for the default.
        defaults: Of the provider.
    """
    if base_url is None or defaults.base_url is None:
        return True
    url, own = read_url(base_url), read_url(defaults.base_url)
    return is_loopback_host(url.host) or (url.host, url.port) == (own.host, own.port)


def is_documented_address(base_url: str, documented: str | None) -> bool:
    """Tell whether a base URL has the origin that a provider documents.

    Args:
        base_url: As the job states it.
        documented: The documented one; None if there is none.
    """
    return documented is not None and _origin(read_url(base_url)) == _origin(
        read_url(documented)
    )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default_port = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or default_port


def is_named_address(base_url: str, job: Job, name: str, defaults: Defaults) -> bool:
    """Tell whether a provider's key may be sent to a base URL from a run folder.

    Somebody else may have edited the folder, so the job, the command line or the
    provider's default must name the same origin. If they name a loopback address, any
    loopback port is allowed.
    """
    try:
        url = read_url(base_url)
    except httpx.InvalidURL:
        return False
    if url.userinfo or url.query or url.fragment:
        return False  # a job may not name such a URL either
    job_url = job.terms_of(name).base_url
    trusted = (job_url, defaults.base_url)
    if any(is_documented_address(base_url, each) for each in trusted):
        return True
    return (
        job_url is not None
        and is_loopback_host(read_url(job_url).host)
        and is_loopback_host(url.host)
    )
