"""What a 503 means: a purchase that may be lost, or a gateway's way to throttle.

Gateways answer with a 503 page of their own what they never passed on: nginx's
`limit_req` and `limit_conn` by default, HAProxy when its queue is full. Such a page
comes in milliseconds. Where purchases take seconds and others succeed, nothing was
bought.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import anyio

from batchgen.admission.permit import Permit
from batchgen.admission.provider_health import Interpreted, record_failure
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.errors import AttemptError, Charge, Throttled

OTHERS_S = 300.0
"""An answer waits no longer than this for others that tell what it means [assumed]."""


LOOK_S = 0.1
"""Time alone may tell: so often it is looked again."""

MANY, HOLD_S = 2, 2.0
"""While so many wait it may be an outage: then nothing leaves for so long after each,
which leaves time for others beside it [assumed]."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A purchase that brought no image.

    Attributes:
        left_at: When it left, in monotonic seconds.
        took_s: Seconds from its departure to the answer.
    """

    context: AttemptContext
    permit: Permit
    left_at: float
    took_s: float


async def record_unavailable(
    run: Run, failure: Failure, error: AttemptError
) -> Interpreted:
    """Take note of a failed purchase; a 503 that came too quickly is a throttle.

    That is so when others succeed that left shortly before it and shortly after. Until
    these are answered the attempt stays open: should the process end, its outcome is
    unknown. Meanwhile the pace is lowered as for a throttle.
    """
    queue = failure.context.queue
    is_open = error.charge in (Charge.NONE, Charge.UNKNOWN)
    may_be_throttle = error.is_unavailable and is_open and not queue.breaker.is_open
    times = queue.reply_times
    if not may_be_throttle or times.is_too_quick(failure.took_s) is False:
        return _heed(run, failure, error)
    are_left = _others_are_left(run.rows_waiting(), queue)
    is_known = times.is_too_quick(failure.took_s) and are_left
    if error.charge is Charge.NONE and not is_known:
        return _heed(run, failure, error)  # free in any case: the breaker judges
    throttled = Throttled(
        error.provider,
        error.message,
        retry_after_s=error.retry_after_s,
        request_id=error.request_id,
    )
    throttled.is_unavailable = True
    heeded = _heed(run, failure, throttled)
    if len(times.undecided) >= MANY and not times.is_passing():
        queue.rate_limiter.hold(HOLD_S)
        queue.rate_limiter.begin_slowly()
    failure.permit.free_slot()  # others must be able to leave, to show what it means
    if await _was_throttled(run, failure):
        return heeded
    return _heed(run, failure, error)


def _heed(run: Run, failure: Failure, error: AttemptError) -> Interpreted:
    permit = failure.permit
    return record_failure(
        run, failure.context, permit.load, error, is_probe=permit.is_probe
    )


async def _was_throttled(run: Run, failure: Failure) -> bool:
    times = failure.context.queue.reply_times
    bisect.insort(times.undecided, failure.left_at)
    succeed: bool | None = None
    try:
        with anyio.move_on_after(OTHERS_S):
            while (succeed := times.others_succeed(failure.left_at)) is None:
                if _is_last(run, failure):
                    break
                with anyio.move_on_after(LOOK_S):
                    await run.changed.wait(run.changed.version)
        if not succeed and _is_last(run, failure) and len(times.undecided) == 1:
            succeed = times.succeeded_just_before(failure.left_at)
    finally:
        times.undecided.remove(failure.left_at)
        run.wake()
    return bool(succeed) and bool(times.is_too_quick(failure.took_s))


def _others_are_left(waiting: int | None, queue: ProviderQueue) -> bool:
    """Say whether there are more rows than can be under way at a time."""
    return waiting is None or waiting > 2 * queue.concurrency


def _is_last(run: Run, failure: Failure) -> bool:
    """Say whether nothing is left that could leave after it.

    Of several the first counts as lost: its row is sent again, and shows what the
    answers to the others mean.
    """
    waiting = run.rows_waiting()
    undecided = failure.context.queue.reply_times.undecided
    is_first = undecided[0] == failure.left_at
    return is_first and waiting is not None and waiting <= len(undecided)
