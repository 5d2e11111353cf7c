"""Whether a base URL is a provider's own, so that what it documents holds there."""

from __future__ import annotations

from batchgen.addresses.url import read_url
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
