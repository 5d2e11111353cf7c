"""What a run waits for at this moment, to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from batchgen.admission.provider_queue import Lane

SHOWN_FROM_S = 5.0
"""Shorter pauses belong to every run."""


def wait_reasons(lanes: Iterable[Lane]) -> list[str]:
    """Return why a run goes on more slowly than it could, the gravest first."""
    return [reason for lane in lanes for reason in _reasons(lane)]


def _reasons(lane: Lane) -> Iterator[str]:
    if lane.stopped is not None:
        yield f"{lane.name} stopped"
    elif lane.breaker.is_open:
        yield f"{lane.name} does not answer"
    elif (pause_s := lane.departures.pause_left_s()) >= SHOWN_FROM_S:
        yield f"{lane.name} lets nothing through for {pause_s:.0f} s"
    for host in lane.link_hosts.waited_for():
        noun = "purchase" if host.waiting == 1 else "purchases"
        yield f"waiting for images of {host.waiting} {noun} at {host.name}"
