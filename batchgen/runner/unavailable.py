"""What a 503 means: a purchase that may be lost, or a gateway's way to throttle.

Gateways answer with a 503 page of their own what they never passed on: nginx's
`limit_req` and `limit_conn` by default, HAProxy when its queue is full. Such a page
comes in milliseconds. Where purchases take seconds and others succeed, nothing was
bought.
"""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from batchgen.errors import AttemptError, Charge, Throttled
from batchgen.limits import Use
from batchgen.runner.answers import Heeded, heed_failure
from batchgen.runner.context import Flight, Run

OTHERS_S = 120.0
"""So long a 503 waits for the first success, by which its meaning is told [assumed]."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A purchase that brought no image.

    Attributes:
        took_s: Seconds from its departure to the answer.
        is_probe: Whether it left because the breaker was open.
    """

    flight: Flight
    use: Use
    took_s: float
    is_probe: bool


async def heed_unavailable(run: Run, failure: Failure, error: AttemptError) -> Heeded:
    """Take note of a failed purchase; a 503 that came too quickly is a throttle.

    Before anything has succeeded nobody can tell: then the attempt stays open until the
    first of those under way is answered. Meanwhile the pace is lowered as for a
    throttle.
    """
    is_open = error.charge in (Charge.NONE, Charge.UNKNOWN)
    if not (error.is_unavailable and is_open):
        return _heed(run, failure, error)
    lane = failure.flight.lane
    throttled = Throttled(
        error.provider,
        error.message,
        retry_after_s=error.retry_after_s,
        request_id=error.request_id,
    )
    throttled.is_unavailable = True
    if lane.reply_times.is_fresh or not _others_are_awaited(failure):
        if lane.reply_times.is_too_quick(failure.took_s):
            return _heed(run, failure, throttled)
        return _heed(run, failure, error)
    heeded = _heed(run, failure, throttled)
    await _first_success(run, failure)
    if lane.reply_times.is_too_quick(failure.took_s):
        return heeded
    return _heed(run, failure, error)


def _heed(run: Run, failure: Failure, error: AttemptError) -> Heeded:
    return heed_failure(
        run, failure.flight, failure.use, error, is_probe=failure.is_probe
    )


def _others_are_awaited(failure: Failure) -> bool:
    """Say whether a purchase is under way that may still be answered."""
    lane = failure.flight.lane
    return lane.in_flight > lane.reply_times.undecided + 1


async def _first_success(run: Run, failure: Failure) -> None:
    """Wait until something has succeeded, or nothing is left that could."""
    lane = failure.flight.lane
    lane.reply_times.undecided += 1
    try:
        with anyio.move_on_after(OTHERS_S):
            while (
                not lane.reply_times.is_fresh
                and lane.in_flight > lane.reply_times.undecided
            ):
                await run.changed.wait()
    finally:
        lane.reply_times.undecided -= 1
