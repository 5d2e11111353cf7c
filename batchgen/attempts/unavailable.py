"""What a 503 means: a purchase that may be lost, or a throttling gateway.

Gateways send a 503 page of their own for requests that they did not pass on: nginx's
`limit_req` and `limit_conn` by default, HAProxy when its queue is full. Such a page
comes in milliseconds. If purchases take seconds and others succeed, nothing was bought.
"""

from __future__ import annotations

import bisect

import anyio

from batchgen.admission.permit import Permit
from batchgen.admission.provider_health import record_failure
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.errors import AttemptError, Charge, Throttled
from batchgen.limits import ReplyTimes

MAX_UNDECIDED_S = 300.0
"""A 503 waits no longer than this for other replies that show what it means
[assumed]."""

RECHECK_S = 0.1
"""How often an undecided 503 is checked again: time alone may decide it."""

MANY_UNDECIDED, HOLD_S = 2, 2.0
"""So many undecided 503s may be an outage: then no request leaves for `HOLD_S` after
each, so that replies can come in the meantime [assumed]."""


Recorded = tuple[AttemptError, tuple[int, ...]]
"""What a failed purchase is treated as, and attempts that are waived with it."""


async def record_unavailable(
    run: Run, context: AttemptContext, permit: Permit, error: AttemptError
) -> Recorded:
    """Record a failed purchase; a 503 that came too quickly is a throttle.

    The condition: requests sent shortly before it and shortly after it succeed. Until
    these have replies the attempt stays open; if the process ends, its outcome is
    unknown. In the meantime the rate is lowered as for a throttle.
    """
    queue = permit.queue
    sent_at, took_s = permit.times()
    is_open = error.charge in (Charge.NONE, Charge.UNKNOWN)
    may_be_throttle = error.is_unavailable and is_open and not queue.breaker.is_open
    times = queue.reply_times
    if not may_be_throttle or times.is_too_quick(took_s) is False:
        return record_failure(run, context, permit, error)
    many_wait = _many_rows_wait(run.rows_waiting(), queue)
    is_throttle = times.is_too_quick(took_s) and many_wait
    if error.charge is Charge.NONE and not is_throttle:
        return record_failure(
            run, context, permit, error
        )  # free in any case: the breaker decides
    throttled = Throttled(
        error.provider,
        error.message,
        retry_after_s=error.retry_after_s,
        request_id=error.request_id,
    )
    throttled.is_unavailable = True
    recorded = record_failure(run, context, permit, throttled)
    if len(times.undecided) >= MANY_UNDECIDED and not times.is_passing():
        queue.rate_limiter.hold(HOLD_S)
        queue.rate_limiter.begin_slowly()
    permit.free_slot()  # other requests must leave to show what it means
    others_succeed = await _others_succeed(run, times, sent_at, took_s)
    if others_succeed and times.is_too_quick(took_s):
        return recorded
    return record_failure(run, context, permit, error)


async def _others_succeed(
    run: Run, times: ReplyTimes, sent_at: float, took_s: float
) -> bool:
    """Wait until other replies show whether the provider takes purchases."""
    bisect.insort(times.undecided, sent_at)
    succeed: bool | None = None
    try:
        with anyio.move_on_after(MAX_UNDECIDED_S):
            while (succeed := times.others_succeed(sent_at, took_s)) is None:
                if _is_last(run.rows_waiting(), times, sent_at):
                    break
                with anyio.move_on_after(RECHECK_S):
                    await run.changed.wait(run.changed.version)
        is_last = _is_last(run.rows_waiting(), times, sent_at)
        if not succeed and is_last and len(times.undecided) == 1:
            succeed = times.succeeded_just_before(sent_at)
    finally:
        times.undecided.remove(sent_at)
        run.wake()
    return bool(succeed)


def _many_rows_wait(waiting: int | None, queue: ProviderQueue) -> bool:
    """Say whether twice as many rows wait as can be in flight at a time."""
    return waiting is None or waiting > 2 * queue.limiter.slots


def _is_last(waiting: int | None, times: ReplyTimes, sent_at: float) -> bool:
    """Say whether no other row could be sent after this one.

    Of several undecided purchases the first counts as lost: its row is sent again, and
    the reply shows what those of the others mean.
    """
    is_first = times.undecided[0] == sent_at
    return is_first and waiting is not None and waiting <= len(times.undecided)
