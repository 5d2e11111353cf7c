"""Feed what waits into the lanes: rate, requests in flight and budget permitting."""

from __future__ import annotations

from dataclasses import replace

import anyio

from batchgen.budget import Reservation, shares_of
from batchgen.errors import (
    DayFull,
    GroupsFull,
    NearlyAllFailed,
    UsageError,
)
from batchgen.ledger import Ledger
from batchgen.model import Sale, Status
from batchgen.runner.choice import unpriced_words
from batchgen.runner.context import Run
from batchgen.runner.decide import Buy, Settled, decide, history_of, may_lose
from batchgen.runner.feed import Feed, Wanted
from batchgen.runner.knock import is_there
from batchgen.runner.lane import Lane
from batchgen.runner.pacing import remember
from batchgen.runner.purchase import Order, buy
from batchgen.runner.references import References
from batchgen.runner.room import Look

IMAGE_BYTES = 8 * 1024 * 1024
SURE_OF_SIZE = 16
"""Room held on the disk for each image in flight [assumed], until the first images have
shown their size."""

UNSTORED_FACTOR = 3
"""Attempts under way, downloads included, for each place in flight."""


async def work_off(run: Run, lane: Lane, references: References) -> None:
    """Buy all that is chosen for a lane, until it is done or must stop.

    Raises:
        BudgetReached: the next part does not fit and nothing is in flight; budgets of
            a column's values end nothing, they are noted in the run.
        UsageError: there is a budget, and no price.
        DiskFull: there is no room for one more image.
        NearlyAllFailed: it is better to look first.
    """
    try:
        await _work_off(run, lane, references)
    finally:
        await remember(run, lane)
    if run.gives_up:
        raise NearlyAllFailed(_few_succeed(run))


async def _work_off(run: Run, lane: Lane, references: References) -> None:
    with Feed(run, lane, references) as source:
        while (wanted := await source.next()) is not None:
            if not await _is_to_be_bought(run, wanted):
                run.shelf.drop(wanted.part)
                continue
            reservation = await _reserved(run, lane, source, wanted)
            if reservation is None:
                run.shelf.drop(wanted.part)
            elif not await _begin(run, lane, wanted, reservation):
                run.shelf.drop(wanted.part)
                break
        run.full |= source.scan.full_shares()


async def _reserved(
    run: Run, lane: Lane, source: Feed, wanted: Wanted
) -> Reservation | None:
    """Wait for a place, and for money; None if the part comes again later."""
    part, row = wanted.part, wanted.planned.row
    await _room(run, lane)
    reservation = _reservation(run, lane, wanted)
    try:
        return await run.budget.reserve(reservation)
    except GroupsFull:
        source.scan.close(row.budget_group or "", reservation, part)
    except DayFull as full:
        if run.job.on_day_full == "stop":
            raise
        source.put_back()
        lane.retries.add(part, 0.0)
        await _sleep_over(run, full)
    return None


async def _sleep_over(run: Run, full: DayFull) -> None:
    """Wait for the next UTC day; what is in flight goes on."""
    run.progress.say_once(f"the day's budget is reached, waiting: {full}")
    run.progress.phase = "waiting"
    await run.budget.next_day()
    # Not when it is cancelled: then the run is stopping.
    run.progress.phase = "running"


def _few_succeed(run: Run) -> str:
    count, over = run.failures.count, run.failures.OVER
    return (
        f"{count} of the last {over} rows were refused or failed for their own sake, "
        "so nothing more is bought: look at `error` and `message` in the table and "
        "mend the job, or say `max_failures = false` in the job file"
    )


async def _begin(
    run: Run, lane: Lane, wanted: Wanted, reservation: Reservation
) -> bool:
    """Let a part's purchase run when it may; False if the lane stopped first."""
    part, planned = wanted.part, wanted.planned
    if not await _may_leave(run, lane):
        run.release(reservation)
        return False
    if not await _may_try(run, lane, wanted):
        lane.departures.stayed()
        run.release(reservation)
        run.shelf.drop(part)
        lane.retries.add(part, 0.0)
        return True
    lane.in_flight += 1
    is_probe = lane.breaker.probing = lane.breaker.is_open
    order = Order(
        lane=lane,
        part=part,
        stem=planned.row.stem,
        request=replace(planned.row.request, resolution=planned.resolution),
        model=planned.model,
        reservation=reservation,
        is_probe=is_probe,
        use=lane.pacing.leaving(lane.in_flight),
    )
    start(run, order)
    run.lull.stir()
    return True


async def _may_try(run: Run, lane: Lane, wanted: Wanted) -> bool:
    """Say whether a part may be sent to a provider that perhaps fails for everybody."""
    if not wanted.as_probe:
        # If it opened meanwhile: one that was not tried yet risks less.
        return not lane.breaker.is_open
    if not lane.breaker.is_in_doubt:
        return True  # somebody was answered meanwhile
    # What would be at its end if this one were lost, too, waits until there is somebody
    # to try it on: else the few rows that are left would be used up.
    history = history_of(wanted.attempts, wanted.part, wanted.planned.row.tries_from)
    if not lane.breaker.is_open and (not history or may_lose(history, run.policy)):
        return True
    return await is_there(run, lane) and lane.stopped is None and not run.gives_up


async def _may_leave(run: Run, lane: Lane) -> bool:
    """Wait for the rate; False if nothing more is to be sent."""
    if lane.stopped is not None or run.gives_up:
        return False
    if lane.departures.may_grant():
        return True
    granted = False
    with anyio.CancelScope() as lane.leaving:
        await lane.departures.grant()
        granted = True
    is_over = lane.stopped is not None or run.gives_up
    if is_over and granted:
        lane.departures.stayed()
    return granted and not is_over


def _reservation(run: Run, lane: Lane, wanted: Wanted) -> Reservation:
    planned = wanted.planned
    group = Sale.of(lane.name, planned.row.request, planned.model, planned.resolution)
    if run.budget.limits and run.budget.ceiling(group) is None:
        raise UsageError(unpriced_words(group))
    shares = shares_of(planned.row.budget_group)
    return Reservation(
        group=group, images=wanted.part.images, shares=shares, day=run.budget.today
    )


def start(run: Run, order: Order) -> None:
    """Let one purchase run; the run is alive while it does."""

    async def live() -> None:
        try:
            await buy(run, order)
        finally:
            run.live -= 1
            order.lane.live -= 1
            run.wake()

    run.live += 1
    order.lane.live += 1
    run.tasks.start_soon(live)


async def _is_to_be_bought(run: Run, wanted: Wanted) -> bool:
    row = wanted.planned.row
    if row.status is not Status.PENDING:
        return False
    history = history_of(wanted.attempts, wanted.part, row.tries_from)
    decision = decide(history, run.policy, wanted.planned.provider)
    if isinstance(decision, Buy):
        return True
    if isinstance(decision, Settled):

        def step(ledger: Ledger) -> None:
            # Unless another part of the row came first.
            if ledger.status(row.row_id) is Status.PENDING:
                found = (decision.status, decision.error, decision.message)
                ledger.settle(row.row_id, *found)
                run.progress.settle(decision.status)

        await run.writer.commit(step)
        return False
    # Its provider had stopped in an earlier run: this run asks again.
    return True


def _image_bytes(run: Run) -> int:
    """Return the room to keep for one image: twice what they have in this run."""
    if run.progress.bought < SURE_OF_SIZE:
        return IMAGE_BYTES
    return 2 * run.progress.stored_bytes // run.progress.bought


async def _room(run: Run, lane: Lane) -> None:
    """Wait for a place in flight, and for room on the disk.

    Raises:
        DiskFull: nothing is in flight that could be stored, and nothing more fits; or
            the archive could not be written.
    """
    while True:
        if run.disk_full is not None:
            raise run.disk_full
        is_crowded = lane.live >= UNSTORED_FACTOR * lane.concurrency
        has_place = lane.in_flight < lane.concurrency and not lane.breaker.probing
        if run.failures.are_too_many:
            # A refusal comes sooner than an image: those under way are awaited, and
            # may say otherwise.
            if run.live == 0:
                run.give_up()
                return
        elif has_place and not is_crowded:
            wanted = run.live + 1, _image_bytes(run)
            look = run.room.look(*wanted)
            if look is Look.HELD:
                return
            if look is Look.LACKING:
                # Much may have changed when it is done: all is looked at again.
                await run.room.hold(*wanted)
                continue
            if run.live == 0:
                raise run.room.explain(*wanted)
        await run.changed.wait()
