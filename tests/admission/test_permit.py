"""A permit gives back whatever was not used, wherever a purchase ended."""

from __future__ import annotations

from contextlib import closing
from typing import Any, cast

import anyio
import pytest

from batchgen.admission.feed import QueuedPart
from batchgen.admission.next_step import Part
from batchgen.admission.permit import Permit
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.reference_buffer import ReferenceBuffer
from batchgen.admission.run_context import Run, Time
from batchgen.budget import Budget, Limits, Reservation
from batchgen.limits import AimdLimit, ConcurrencyLimiter, RateLimiter
from batchgen.model import Attachment, PriceKey
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.base import Endpoint
from batchgen.runner.progress import Progress

NOTHING = cast(Any, None)
SALE = PriceKey("aimlapi", "1K")
PART = Part(1, 1, 1)
STEPS = ("references", "money", "departure", "slot", "left")


def new_queue() -> ProviderQueue:
    rate_limiter = RateLimiter(60, lambda: 100.0, counts=True)
    limiter = ConcurrencyLimiter(
        rate_limiter, 4, AimdLimit(60.0, is_rate=True), lambda: 100.0
    )
    endpoint = Endpoint("http://127.0.0.1:1", "key")
    return ProviderQueue(AimlApi(), endpoint, rate_limiter, limiter, NOTHING)


def new_run(queue: ProviderQueue) -> Run:
    budget = Budget(Limits(run=1000), lambda _: 10, lambda: 0)
    fields = dict.fromkeys(
        ("job", "folder", "policy", "ledger", "writer", "wire", "prices", "redactor"),
        NOTHING,
    )
    others = dict.fromkeys(
        ("rng", "offload", "log", "tasks", "failures", "room", "end"), NOTHING
    )
    return Run(
        **fields,
        **others,
        budget=budget,
        queues={"aimlapi": queue},
        progress=Progress(),
        time=Time(monotonic=lambda: 100.0, now=lambda: 0),
        reference_buffer=ReferenceBuffer(),
    )


async def take(run: Run, queue: ProviderQueue, permit: Permit, steps: int) -> None:
    """Take as many of the things that a purchase needs as the steps say."""
    if steps > 0:
        images = [Attachment("a.png", "image/png", b"png")]
        await run.reference_buffer.put(permit.queued, images)
    if steps > 1:
        permit.hold(await run.budget.reserve(Reservation(price_key=SALE, images=1)))
    if steps > 2:
        assert queue.rate_limiter.may_grant()
        permit.has_grant = True
    if steps > 3:
        queue.breaker.open()
        permit.begin()
        assert queue.breaker.probing is permit
        assert (run.live, queue.live, queue.in_flight) == (1, 1, 1)
    if steps > 4:
        permit.record_sent()


@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
def test_what_was_taken_is_given_back_wherever_it_ends(steps: int) -> None:
    queue = new_queue()
    run = new_run(queue)
    queued = QueuedPart(PART, NOTHING, (), as_probe=True)

    async def work() -> None:
        permit = Permit(run, queue, queued)
        await take(run, queue, permit, steps)
        version = run.changed.version

        permit.close()
        permit.close()

        assert run.changed.version > version

    anyio.run(work)

    assert (run.live, queue.live, queue.in_flight) == (0, 0, 0)
    assert run.budget.held() == 0
    assert run.reference_buffer._bytes == 0
    assert queue.breaker.probing is None
    # Only what really left counts for the rate.
    assert queue.rate_limiter.in_window() == (1 if steps == len(STEPS) else 0)


def test_money_of_an_attempt_that_is_written_down_is_not_given_back() -> None:
    queue = new_queue()
    run = new_run(queue)

    async def work() -> None:
        with closing(Permit(run, queue, QueuedPart(PART, NOTHING, ()))) as permit:
            await take(run, queue, permit, 2)
            permit.mark_recorded()

    anyio.run(work)

    assert run.budget.held() == 10


def test_what_gives_up_a_part_leaves_the_images_of_its_other_purchase() -> None:
    queue = new_queue()
    run = new_run(queue)
    first, second = (QueuedPart(PART, NOTHING, ()) for _ in range(2))
    image = Attachment("a.png", "image/png", b"png")

    async def work() -> None:
        for queued in (first, second):
            await run.reference_buffer.put(queued, [image])
        Permit(run, queue, second).close()

        with run.reference_buffer.take(first) as images:
            assert list(images) == [image]

    anyio.run(work)

    assert run.reference_buffer._bytes == 0
