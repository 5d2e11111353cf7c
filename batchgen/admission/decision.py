"""Whether a part may be sent now: the one place where that is decided.

The questions are asked in this order. Is it still to be bought? Is there a slot at the
provider, and room on the disk? Is there money? Does the rate let it leave? Does the
provider answer? If one of them says no, whatever was taken before is given back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from batchgen.admission.feed import QueuedPart
from batchgen.admission.next_step import Settled, decide, history_of, may_lose
from batchgen.admission.permit import Permit
from batchgen.admission.provider_probe import probe_provider
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.row_changes import end_row
from batchgen.admission.run_context import Run
from batchgen.budget import Reservation, column_values_of
from batchgen.errors import DayFull, GroupsFull, UsageError
from batchgen.model import PriceKey, Status
from batchgen.planning.routing import unpriced_message
from batchgen.storage.disk_room import DiskRoomState

if TYPE_CHECKING:
    from batchgen.runner.progress import Progress

IMAGE_BYTES = 8 * 1024 * 1024
SURE_OF_SIZE = 16
"""Room held on the disk for each image in flight [assumed], until so many images have
shown their size."""

ALONE_S = 1.0
"""A part that must be sent alone is looked at again after this."""


@dataclass(frozen=True, slots=True)
class Later:
    """The part waits in its queue.

    Attributes:
        wait_s: For so many seconds.
        too_much: Until there is money for this; None where it waits for time alone.
        day: Until the next day, since the budget of this one is used up.
    """

    wait_s: float = 0.0
    too_much: Reservation | None = None
    day: DayFull | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing has to be bought for the part any more."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing more is sent to the provider in this run."""


Refusal = Later | Drop | Halt


async def request(
    run: Run, queue: ProviderQueue, queued: QueuedPart
) -> Permit | Refusal:
    """Wait until a part may be sent, or say why it may not.

    Raises:
        BudgetReached: it does not fit and nothing is in flight.
        UsageError: there is a budget, and no price.
        DiskFull: there is no room for one more image.
    """
    permit = Permit(run, queue, queued)
    try:
        refusal = await _refusal(run, queue, permit)
    except BaseException:
        permit.close()
        raise
    if refusal is not None:
        permit.close()
        return refusal
    permit.begin()
    return permit


async def _refusal(run: Run, queue: ProviderQueue, permit: Permit) -> Refusal | None:
    queued = permit.queued
    if not await _is_to_be_bought(run, queued):
        return Drop()
    await _wait_for_slot(run, queue, queued.planned.model)
    reservation = _reservation(run, queue, queued)
    try:
        permit.hold(await run.budget.reserve(reservation))
    except GroupsFull:
        return Later(too_much=reservation)
    except DayFull as full:
        if run.job.on_day_full == "stop":
            raise
        return Later(day=full)
    if not await _may_depart(run, queue, permit):
        return Halt()
    wait_s = await _doubt_s(run, queue, queued)
    return None if wait_s is None else Later(wait_s)


# -- is it still to be bought?


async def _is_to_be_bought(run: Run, queued: QueuedPart) -> bool:
    """Say whether a part is; ends its row if its attempts so far say so."""
    row = queued.planned.row
    if row.status is not Status.PENDING:
        return False
    if not queued.attempts:
        return True
    history = history_of(queued.attempts, queued.part, row.tries_from)
    decision = decide(history, run.policy, queued.planned.provider)
    if isinstance(decision, Settled):
        await end_row(run, row.row_id, decision)
        return False
    # Or its provider had stopped in an earlier run: this run asks again.
    return True


# -- is there a slot, and room on the disk?


async def _wait_for_slot(run: Run, queue: ProviderQueue, model: str) -> None:
    """Wait for a slot, and for room on the disk.

    Where nothing has worked yet, the first answer is awaited, too.

    Raises:
        DiskFull: nothing is in flight that could be stored, and nothing more fits.
    """
    while True:
        version = run.changed.version
        wait_s = queue.slot_in_s(model)
        if run.fails_too_often:
            # A refusal comes sooner than an image. So the run waits for the attempts
            # under way, which may succeed.
            if run.live == 0:
                run.give_up()
                return
        elif queue.stopped is not None:
            return  # `_may_depart` refuses it
        elif not wait_s:
            images, image_bytes = run.live + 1, _image_bytes(run.progress)
            look = run.room.look(images, image_bytes)
            if look is DiskRoomState.HELD:
                return
            if look is DiskRoomState.MISSING_ROOM:
                # Much may have changed meanwhile, so everything is checked again.
                await run.room.hold(images, image_bytes)
                continue
            if run.live == 0:
                raise run.room.explain(images, image_bytes)
        with anyio.move_on_after(wait_s or None):
            await run.changed.wait(version)


def _image_bytes(progress: Progress) -> int:
    """Return the room to keep for one image: twice what they have in this run."""
    if progress.stored_images < SURE_OF_SIZE:
        return IMAGE_BYTES
    return 2 * progress.stored_bytes // progress.stored_images


# -- is there money?


def _reservation(run: Run, queue: ProviderQueue, queued: QueuedPart) -> Reservation:
    planned = queued.planned
    price_key = PriceKey.of(
        queue.name, planned.row.request, planned.model, planned.resolution
    )
    reservation = Reservation(price_key=price_key, images=queued.part.images)
    if run.budget.is_limited:
        if run.budget.ceiling(price_key) is None:
            raise UsageError(unpriced_message(price_key, elsewhere=queue.elsewhere))
        reservation.column_values = column_values_of(planned.row.budget_group)
    return reservation


# -- does the rate let it leave?


async def _may_depart(run: Run, queue: ProviderQueue, permit: Permit) -> bool:
    """Wait for the rate; False if nothing more is to be sent."""
    if queue.stopped is not None or run.gives_up:
        return False
    if queue.rate_limiter.may_grant():
        permit.may_depart = True
        return True
    with anyio.CancelScope() as queue.rate_wait:
        await queue.rate_limiter.grant()
        permit.may_depart = True
        return queue.stopped is None and not run.gives_up
    return False


# -- does the provider answer?


async def _doubt_s(run: Run, queue: ProviderQueue, queued: QueuedPart) -> float | None:
    """Say when to ask again for a part that must not be sent now; None if it may.

    A provider that may fail for all rows is tried with a row that loses nothing.
    """
    breaker = queue.breaker
    if not queued.as_probe:
        # If it opened meanwhile: one that was not tried yet risks less.
        return 0.0 if breaker.is_open else None
    if not queue.is_in_doubt:
        return None  # a purchase succeeded meanwhile
    history = history_of(queued.attempts, queued.part, queued.planned.row.tries_from)
    # Where only few rows are left, the rows may be at fault and not the provider.
    is_about_few = not queue.may_have_lost_several or breaker.may_be_the_rows
    is_asked = breaker.is_open and is_about_few
    may_be_lost = may_lose(history, run.policy)
    if not history or (may_be_lost and not is_asked):
        return None
    is_risky = not may_be_lost and queue.may_have_lost_several
    if is_risky and (wait_s := _alone_in_s(run, queue)) > 0:
        return wait_s
    is_away = not await probe_provider(run, queue)
    return 0.0 if is_away or queue.stopped is not None or run.gives_up else None


def _alone_in_s(run: Run, queue: ProviderQueue) -> float:
    """Return how long a part waits that would end its row if it were lost, too.

    It is sent last, and alone. An answer to a probe does not prove that the outage is
    over.
    """
    if queue.breaker.open():
        run.progress.notice(
            f"{queue.name} does not answer: rows wait. Each row that is left was sent "
            "once already and got no answer, so they are sent one by one, after longer "
            "waits, until one succeeds"
        )
    left_s = queue.breaker.risk_left_s()
    return left_s or (ALONE_S if queue.in_flight else 0.0)
