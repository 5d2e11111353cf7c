"""A permit gives back whatever was not used, wherever a purchase ended."""

from __future__ import annotations

from typing import Any, cast

import anyio
import pytest

from batchgen.admission.feed import QueuedPart
from batchgen.admission.next_step import Part
from batchgen.admission.permit import Permit
from batchgen.admission.provider_queue import Lane
from batchgen.admission.reference_buffer import Shelf
from batchgen.admission.run_context import Run, Time
from batchgen.budget import Budget, Limits, Reservation
from batchgen.limits import Departures, Finder, Pacing
from batchgen.model import Attachment, Endpoint, Sale
from batchgen.providers.aimlapi import AimlApi
from batchgen.runner.progress import Progress

NOTHING = cast(Any, None)
SALE = Sale("aimlapi", "1K")
PART = Part(1, 1, 1)
STEPS = ("references", "money", "departure", "slot", "left")


def new_lane() -> Lane:
    departures = Departures(60, lambda: 100.0, counts=True)
    pacing = Pacing(departures, 4, Finder(60.0, is_rate=True), lambda: 100.0)
    endpoint = Endpoint("http://127.0.0.1:1", "key")
    return Lane(AimlApi(), endpoint, departures, pacing, NOTHING)


def new_run(lane: Lane) -> Run:
    budget = Budget(Limits(run=1000), lambda _: 10, lambda: 0)
    fields = dict.fromkeys(
        ("job", "folder", "policy", "ledger", "writer", "wire", "price", "scrubber"),
        NOTHING,
    )
    others = dict.fromkeys(
        ("rng", "offload", "log", "tasks", "failures", "room", "end"), NOTHING
    )
    return Run(
        **fields,
        **others,
        budget=budget,
        lanes={"aimlapi": lane},
        progress=Progress(),
        time=Time(monotonic=lambda: 100.0, now=lambda: 0),
        shelf=Shelf(),
    )


async def take(run: Run, lane: Lane, permit: Permit, steps: int) -> None:
    """Take as many of the things that a purchase needs as the steps say."""
    if steps > 0:
        await run.shelf.put(PART, [Attachment("a.png", "image/png", b"png")])
    if steps > 1:
        permit.hold(await run.budget.reserve(Reservation(group=SALE, images=1)))
    if steps > 2:
        assert lane.departures.may_grant()
        permit.let_depart()
    if steps > 3:
        lane.breaker.open()
        permit.begin()
        assert lane.breaker.probing is permit
        assert (run.live, lane.live, lane.in_flight) == (1, 1, 1)
    if steps > 4:
        permit.depart()


@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
def test_what_was_taken_is_given_back_wherever_it_ends(steps: int) -> None:
    lane = new_lane()
    run = new_run(lane)
    queued = QueuedPart(PART, NOTHING, (), as_probe=True)

    async def work() -> None:
        permit = Permit(run, lane, queued)
        await take(run, lane, permit, steps)
        version = run.changed.version

        permit.close()
        permit.close()

        assert run.changed.version > version

    anyio.run(work)

    assert (run.live, lane.live, lane.in_flight) == (0, 0, 0)
    assert run.budget.held() == 0
    assert run.shelf._bytes == 0
    assert lane.breaker.probing is None
    # Only what really left counts for the rate.
    assert lane.departures.in_window() == (1 if steps == len(STEPS) else 0)


def test_money_of_an_attempt_that_is_written_down_is_not_given_back() -> None:
    lane = new_lane()
    run = new_run(lane)

    async def work() -> None:
        with Permit(run, lane, QueuedPart(PART, NOTHING, ())) as permit:
            await take(run, lane, permit, 2)
            permit.is_recorded = True

    anyio.run(work)

    assert run.budget.held() == 10
