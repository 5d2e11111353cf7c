"""The health of each host from which images are downloaded.

One host that is down says nothing about the others. A link that never connects must
fail within minutes, although images of other hosts keep coming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import inf

import httpx

from batchgen.addresses.url import read_url
from batchgen.errors import Incomplete, Retryable
from batchgen.limits import Outage
from batchgen.model import Link
from batchgen.wire import LinkSource

UNREACHED_S = 300.0
"""A host of images that accepts no connection is waited for so long while the provider
itself answers [assumed]."""

MAX_HOSTS = 1000  # that are remembered


class LinkHost:
    """One host of images.

    Attributes:
        name: Host and port, as they are shown.
        waiting: Attempts that wait for it now.
        failure: Why the last download failed.
        outage: Whether downloads fail in a row, whatever the links.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.waiting = 0
        self.failure: Retryable | None = None
        self._clock = clock
        self.outage = Outage(clock)
        self._failing_since = inf
        self._has_answered = False  # since it began to fail

    def record_failure(
        self, row_id: int, error: Retryable, *, is_network_down: bool
    ) -> None:
        """Record a download that may work later.

        Args:
            row_id: Whose image it was.
            error: Why it failed.
            is_network_down: Whether the provider does not answer either.
        """
        if not self.outage.has_just_failed:
            self._failing_since, self._has_answered = self._clock(), False
        self.failure = error
        if not isinstance(error, Incomplete) or error.connection == "made":
            self._has_answered = True
        self.outage.record_failure(row_id)
        can_recover = self._has_answered or is_network_down
        self.outage.patience_s = Outage.PATIENCE_S if can_recover else UNREACHED_S

    def record_success(self) -> None:
        """Record an answer that brought something."""
        self.outage.record_success()
        self._failing_since, self.failure = inf, None

    def was_gone_since(self, moment: float) -> bool:
        """Say whether it took no connection of several rows since then, for long."""
        is_over = self.outage.is_on and self.outage.age_s > self.outage.patience_s
        several = self.outage.rows >= Outage.ROWS
        is_silent = not self._has_answered and moment < self._failing_since
        return is_over and several and is_silent


class LinkHosts:
    """All hosts of images of one provider."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._hosts: dict[str, LinkHost] = {}
        self.last_success = -inf

    def of(self, link: Link, source: LinkSource) -> LinkHost:
        """Return the host of a link."""
        name = _name(link.url, source)
        host = self._hosts.get(name)
        if host is None:
            host = LinkHost(name, self._clock)
            idle = (name for name, host in self._hosts.items() if not host.waiting)
            if len(self._hosts) >= MAX_HOSTS and (oldest := next(idle, None)):
                del self._hosts[oldest]
            self._hosts[name] = host
        return host

    def record_success(self, host: LinkHost) -> None:
        """Record a download that brought something."""
        host.record_success()
        self.last_success = self._clock()

    def waited_for(self) -> Iterable[LinkHost]:
        """Return the hosts for which attempts wait, those with most of them first."""
        busy = (host for host in self._hosts.values() if host.waiting)
        return sorted(busy, key=lambda host: -host.waiting)


@contextmanager
def waiting_for(hosts: Iterable[LinkHost]) -> Iterator[None]:
    """Count an attempt that waits for links of these hosts while the block lasts."""
    hosts = tuple(hosts)
    for host in hosts:
        host.waiting += 1
    try:
        yield
    finally:
        for host in hosts:
            host.waiting -= 1


def _name(link: str, source: LinkSource) -> str:
    try:
        urls = source.candidates(link)
    except httpx.InvalidURL:
        return "a link that is no URL"
    url = urls[0] if urls else read_url(source.base_url)
    if not url.host:
        return "a link without a host"
    return url.host if url.port is None else f"{url.host}:{url.port}"
