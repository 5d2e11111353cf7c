"""Feed what waits into the lanes: rate, requests in flight and budget permitting."""

from __future__ import annotations

from dataclasses import replace

import anyio

from batchgen.budget import Reservation, shares_of
from batchgen.errors import (
    Charge,
    DayFull,
    GroupsFull,
    Internal,
    NearlyAllFailed,
    UsageError,
)
from batchgen.ledger import Ledger
from batchgen.model import Sale, Status
from batchgen.planning.routing import unpriced_words
from batchgen.runner.context import Run, Slot
from batchgen.runner.decide import Buy, Settled, decide, history_of, may_lose
from batchgen.runner.feed import Feed, Wanted
from batchgen.runner.fence import EVERYBODYS, fail_row
from batchgen.runner.knock import is_there
from batchgen.runner.lane import Lane
from batchgen.runner.pacing import remember
from batchgen.runner.purchase import Grant, Order, buy
from batchgen.runner.references import References
from batchgen.runner.verdict import stop
from batchgen.storage.disk_room import Look
from batchgen.tracebacks import fault_words

IMAGE_BYTES = 8 * 1024 * 1024
SURE_OF_SIZE = 16
"""Room held on the disk for each image in flight [assumed], until the first images have
shown their size."""

ALONE_S = 1.0
"""What must be sent alone, and is not, is looked at again after this."""

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
        if lane.task_refusal is not None and lane.stopped is None:
            stop(run, lane, lane.task_refusal)  # nothing is left that says otherwise
    finally:
        await remember(run, lane)
    if run.gives_up:
        raise NearlyAllFailed(_few_succeed(run))


async def _work_off(run: Run, lane: Lane, references: References) -> None:
    with Feed(run, lane, references) as source:
        while (wanted := await source.next()) is not None:
            try:
                goes_on = await _work_on(run, lane, source, wanted)
            except EVERYBODYS:
                raise
            except Exception as fault:
                run.shelf.drop(wanted.part)
                run.log.exception("row_fault", extra={"row": wanted.part.row_id})
                unexpected = Internal(lane.name, fault_words(fault), Charge.NONE)
                await fail_row(run, wanted.part.row_id, unexpected)
                continue
            if not goes_on:
                break
        run.full |= source.scan.full_shares()


async def _work_on(run: Run, lane: Lane, source: Feed, wanted: Wanted) -> bool:
    """Let a part's purchase run, or drop it; False if the lane stopped."""
    if not await _is_to_be_bought(run, wanted):
        run.shelf.drop(wanted.part)
        return True
    reservation = await _reserved(run, lane, source, wanted)
    if reservation is None:
        run.shelf.drop(wanted.part)
        return True
    if not await _begin(run, lane, wanted, reservation):
        run.shelf.drop(wanted.part)
        return False
    return True


async def _reserved(
    run: Run, lane: Lane, source: Feed, wanted: Wanted
) -> Reservation | None:
    """Wait for a place, and for money; None if the part comes again later."""
    part, row = wanted.part, wanted.planned.row
    await _room(run, lane, wanted.planned.model)
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
    grant = Grant(run, lane)
    try:
        again_in_s = await _tried_in_s(run, lane, wanted)
    except BaseException:
        grant.close()
        run.release(reservation)
        raise
    if again_in_s is not None:
        grant.close()
        run.release(reservation)
        run.shelf.drop(part)
        lane.retries.add(part, again_in_s)
        return True
    if not lane.live:
        lane.alone_since = run.time.monotonic()
    slot = Slot(run, lane)
    is_probe = lane.breaker.is_open
    if is_probe:
        lane.breaker.probing = grant
    order = Order(
        lane=lane,
        part=part,
        stem=planned.row.stem,
        request=replace(planned.row.request, resolution=planned.resolution),
        model=planned.model,
        reservation=reservation,
        is_probe=is_probe,
        use=lane.pacing.leaving(lane.in_flight),
        slot=slot,
        grant=grant,
    )
    start(run, order)
    run.lull.stir()
    return True


async def _tried_in_s(run: Run, lane: Lane, wanted: Wanted) -> float | None:
    """Say when to ask again for a part that must not be sent now; None if it may.

    A provider that perhaps fails for everybody is tried with a row that loses nothing.
    """
    breaker = lane.breaker
    if not wanted.as_probe:
        # If it opened meanwhile: one that was not tried yet risks less.
        return 0.0 if breaker.is_open else None
    if not lane.is_in_doubt:
        return None  # a purchase succeeded meanwhile
    history = history_of(wanted.attempts, wanted.part, wanted.planned.row.tries_from)
    # Where only few are left, it may be they that fail, and nobody else.
    is_about_few = not lane.may_have_lost_several or breaker.may_be_the_rows
    is_asked = breaker.is_open and is_about_few
    if not history or (may_lose(history, run.policy) and not is_asked):
        return None
    is_risky = not may_lose(history, run.policy) and lane.may_have_lost_several
    if is_risky and (wait_s := _alone_in_s(run, lane)) > 0:
        return wait_s
    is_away = not await is_there(run, lane)
    return 0.0 if is_away or lane.stopped is not None or run.gives_up else None


def _alone_in_s(run: Run, lane: Lane) -> float:
    """Return how long a part waits that would be at its end if it were lost, too.

    It goes after all else, and alone; and what answers a question is no proof that the
    outage is over.
    """
    if lane.breaker.open():
        run.progress.notice(
            f"{lane.name} does not answer: rows wait. Each row that is left was sent "
            "once already and got no answer, so they are sent one by one, after longer "
            "waits, until one succeeds"
        )
    left_s = lane.breaker.risk_left_s()
    return left_s or (ALONE_S if lane.in_flight else 0.0)


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
        raise UsageError(unpriced_words(group, elsewhere=lane.elsewhere))
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


async def _room(run: Run, lane: Lane, model: str) -> None:
    """Wait for a place in flight, and for room on the disk.

    Where nothing has worked yet, the first answer is awaited, too.

    Raises:
        DiskFull: nothing is in flight that could be stored, and nothing more fits.
    """
    while True:
        is_crowded = lane.crowd >= UNSTORED_FACTOR * lane.concurrency
        first_answer_in_s = lane.first_answer_in_s(model)
        has_place = lane.in_flight < lane.concurrency and not lane.breaker.probing
        if run.failures.are_too_many:
            # A refusal comes sooner than an image: those under way are awaited, and
            # may say otherwise.
            if run.live == 0:
                run.give_up()
                return
        elif lane.stopped is not None:
            return  # whoever asks for its departure is told so
        elif has_place and not is_crowded and not first_answer_in_s:
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
        with anyio.move_on_after(first_answer_in_s or None):
            await run.changed.wait()
