"""What a run waits for at this moment, for displays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from batchgen.admission.provider_queue import ProviderQueue

MIN_PAUSE_S = 5.0
"""Shorter pauses are normal and not shown."""


def wait_reasons(queues: Iterable[ProviderQueue]) -> list[str]:
    """Return why a run is slower than it could be, in the order of the queues."""
    return [reason for queue in queues for reason in _reasons(queue)]


def outages(queues: Iterable[ProviderQueue]) -> dict[str, float]:
    """Return for each provider that does not answer for how many seconds."""
    return {
        queue.name: queue.breaker.age_s
        for queue in queues
        if queue.stopped is None and queue.breaker.is_open
    }


def _reasons(queue: ProviderQueue) -> Iterator[str]:
    if queue.stopped is not None:
        yield f"{queue.name} stopped"
    elif queue.breaker.is_open:
        yield f"{queue.name} does not answer"
    elif (pause_s := queue.rate_limiter.pause_left_s()) >= MIN_PAUSE_S:
        yield f"{queue.name} lets nothing through for {pause_s:.0f} s"
    for host in queue.link_hosts.waited_for():
        noun = "purchase" if host.waiting == 1 else "purchases"
        yield f"waiting for images of {host.waiting} {noun} at {host.name}"
