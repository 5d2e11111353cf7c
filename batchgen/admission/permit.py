"""Whether a part may be sent now, and what its purchase then uses.

The questions are asked in this order. Is it still to be bought? Is there a slot at the
provider, and room on the disk? Is there money? Does the rate let it leave? Does the
provider answer? If one of them says no, whatever was taken before is given back.

Six things are counted while a purchase is under way: its slot, that it is alive, the
rate limiter's grant, its money, whether it is the probe, and its reference images. All
are taken here, and all that was not used is given back here, in `Permit.close`. If one
were forgotten, the run would wait for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import anyio

from batchgen.addresses import parent_of
from batchgen.admission.next_step import RowEnd, decide
from batchgen.admission.provider_probe import probe_wait_s
from batchgen.admission.row_changes import end_row
from batchgen.budget import Reservation, column_values_of
from batchgen.errors import DayFull, GroupsFull, UsageError
from batchgen.model import PriceKey, Status
from batchgen.planning.routing import unpriced_message
from batchgen.storage.disk_room import DiskRoomState

if TYPE_CHECKING:
    from batchgen.admission.feed import QueuedPart
    from batchgen.admission.provider_queue import ProviderQueue
    from batchgen.admission.run_context import Run
    from batchgen.budget import Budget
    from batchgen.limits import Load
    from batchgen.runner.progress import Progress

IMAGE_BYTES = 8 * 1024 * 1024
SURE_OF_SIZE = 16
"""Room held on the disk for each image in flight [assumed], until so many images have
shown their size."""

FIRST_ANSWER_S = 3.0
"""Where nothing has worked yet, the others wait for the first answer, at most so long:
a wrong key then costs two or three requests, not one for each slot."""

UNSTORED_FACTOR = 3
"""Attempts under way, downloads included, for each slot."""

MAX_WAITING = 256
"""Attempts that may wait for their links beside those that are bought: each takes some
memory [assumed]."""


class Presence:
    """One attempt under way at a provider: it is alive, and may hold a slot.

    Use with `closing`. A purchase has a `Permit`; an attempt that an earlier process
    sent is only present.
    """

    def __init__(self, run: Run, queue: ProviderQueue) -> None:
        self.run = run
        self.queue = queue
        self._is_alive = self._has_slot = False

    def arrive(self, *, with_slot: bool) -> None:
        """Count the attempt: it is alive, and in flight if it takes a slot."""
        self._is_alive, self._has_slot = True, with_slot
        self.run.live += 1
        self.queue.live += 1
        self.queue.in_flight += with_slot

    def free_slot(self) -> None:
        """Let another purchase have the slot; nothing happens the second time."""
        if self._has_slot:
            self._has_slot = False
            self.queue.in_flight -= 1
            self.run.wake()

    def close(self) -> None:
        """Give back whatever is still held; nothing happens the second time."""
        self.free_slot()
        if self._is_alive:
            self._is_alive = False
            self.run.live -= 1
            self.queue.live -= 1
        self.run.wake()


class Permit(Presence):
    """All that a part needs to be bought.

    Attributes:
        queued: The part, with its row.
        reservation: The money that is held for it.
        load: What was under way at the provider when it left.
        is_probe: Whether it tries if a provider that gave no answers is back.
        is_recorded: Whether the attempt is in the ledger: then its money is no longer
            given back here, but becomes what the attempt costs.
        has_grant: Whether the rate limiter granted a request that is not sent yet.
        was_sent: Whether its request really left.
    """

    reservation: Reservation
    load: Load

    def __init__(self, run: Run, queue: ProviderQueue, queued: QueuedPart) -> None:
        super().__init__(run, queue)
        self.queued, self.part = queued, queued.part
        self.is_probe = self.is_recorded = False
        self.has_grant = self.was_sent = False
        self._holds_money = False
        self._sent_at: float | None = None
        self._head_at: float | None = None

    # -- taken, in this order

    def hold(self, reservation: Reservation) -> None:
        """Keep money that the budget holds."""
        self.reservation, self._holds_money = reservation, True

    def begin(self) -> None:
        """Take the slot; the purchase begins now."""
        queue = self.queue
        queue.unrecorded[self.part] = self
        if not queue.live:
            queue.alone_since = self.run.time.monotonic()
        self.arrive(with_slot=True)
        self.is_probe = self.queued.as_probe and queue.breaker.is_open
        if self.is_probe:
            queue.breaker.probing = self
        self.load = queue.limiter.record_start(queue.in_flight)

    # -- used

    def mark_recorded(self) -> None:
        """Note that the attempt is in the ledger."""
        self.is_recorded = True
        self._forget_unrecorded()

    def record_sent(self) -> None:
        """Count the request as sent at this moment."""
        self.was_sent, self.has_grant = True, False
        self._sent_at = self.run.time.monotonic()
        self.queue.rate_limiter.record_sent(self._sent_at)
        self.queue.reply_times.record_sent(id(self), self._sent_at)

    def record_head(self) -> None:
        """Note that the head of the reply is here, at this moment."""
        self._head_at = self.run.time.monotonic()

    def times(self) -> tuple[float, float]:
        """Return when the request left, and seconds from then to the reply's head.

        The reply is not waited for any more.
        """
        self.queue.reply_times.record_answer(id(self))
        now = self.run.time.monotonic()
        sent_at = now if self._sent_at is None else self._sent_at
        return sent_at, (self._head_at or now) - sent_at

    # -- given back

    def cancel_grant(self) -> None:
        """Give the rate limiter's grant back if nothing was sent."""
        if self.has_grant:
            self.has_grant = False
            self.queue.rate_limiter.cancel()

    def close(self) -> None:
        """Give back whatever was not used; nothing happens the second time."""
        self.run.reference_buffer.drop(self.queued)
        self.cancel_grant()
        self.queue.reply_times.record_answer(id(self))
        if self._holds_money and not self.is_recorded:
            self._holds_money = False
            self.run.release(self.reservation)
        if self.queue.breaker.probing is self:
            self.queue.breaker.probing = None
        self._forget_unrecorded()
        super().close()

    def _forget_unrecorded(self) -> None:
        if self.queue.unrecorded.get(self.part) is self:
            del self.queue.unrecorded[self.part]


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


Denial = Later | Drop | Halt


async def request(
    run: Run, queue: ProviderQueue, queued: QueuedPart
) -> Permit | Denial:
    """Wait until a part may be sent, or say why it may not.

    Raises:
        BudgetReached: it does not fit and nothing is in flight.
        UsageError: there is a budget, and no price.
        DiskFull: there is no room for one more image.
    """
    permit = Permit(run, queue, queued)
    try:
        denial = await _denial(run, queue, permit)
    except BaseException:
        permit.close()
        raise
    if denial is not None:
        permit.close()
        return denial
    permit.begin()
    return permit


async def _denial(run: Run, queue: ProviderQueue, permit: Permit) -> Denial | None:
    queued = permit.queued
    if _is_begun(run, queue, queued) or not await _is_to_be_bought(run, queued):
        return Drop()
    await _wait_for_slot(run, queue, queued.planned.model)
    reservation = _reservation(run.budget, queue, queued)
    try:
        permit.hold(await run.budget.reserve(reservation))
    except GroupsFull:
        return Later(too_much=reservation)
    except DayFull as full:
        if run.job.on_day_full == "stop":
            raise
        return Later(day=full)
    if not await _wait_for_rate(run, queue, permit):
        return Halt()
    if queued.as_probe:
        wait_s = await probe_wait_s(run, queue, queued)
        return None if wait_s is None else Later(wait_s)
    # If it opened meanwhile: a row that was not tried yet risks less.
    return Later() if queue.breaker.is_open else None


# -- is it still to be bought?


def _is_begun(run: Run, queue: ProviderQueue, queued: QueuedPart) -> bool:
    """Say whether a purchase of a part has begun since it was queued.

    Parents that are stored at the same time, or the scan and a parent, may each queue
    their child. The ledger refuses the second purchase, but here it would already ask
    for money that the first one holds.
    """
    if queued.part in queue.unrecorded:
        return True
    if not any(map(parent_of, queued.planned.row.request.references)):
        return False
    return not run.ledger.may_be_sent(queued.part.row_id, queued.part.span)


async def _is_to_be_bought(run: Run, queued: QueuedPart) -> bool:
    """Say whether a part is; ends its row if its attempts so far say so."""
    row = queued.planned.row
    if row.status is not Status.PENDING:
        return False
    if not queued.attempts:
        return True
    decision = decide(queued.history, run.policy, queued.planned.provider)
    if isinstance(decision, RowEnd):
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
        wait_s = _slot_in_s(run, queue, model)
        if run.fails_too_often:
            # A refusal comes sooner than an image. So the run waits for the attempts
            # under way, which may succeed.
            if run.live == 0:
                run.give_up()
                return
        elif queue.stopped is not None:
            return  # `_wait_for_rate` refuses it
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


def _slot_in_s(run: Run, queue: ProviderQueue, model: str) -> float:
    """Return for how long to wait for a slot: 0 if one is free.

    It is infinite where only a change at the provider can free one.
    """
    if queue.live and not queue.is_answered and not queue.proof.held_before(model):
        answer_in_s = queue.alone_since + FIRST_ANSWER_S - run.time.monotonic()
        if answer_in_s > 0:
            return answer_in_s
    # Those that wait for a link do not hold up new ones, unless no link works at all.
    waits = min(queue.waiting, MAX_WAITING)
    if waits and queue.link_outage.waives_failures:
        waits = 0
    slots = queue.limiter.slots
    is_crowded = queue.live - waits >= UNSTORED_FACTOR * slots
    is_free = queue.in_flight < slots and not is_crowded and not queue.breaker.probing
    return 0.0 if is_free else inf


def _image_bytes(progress: Progress) -> int:
    """Return the room to keep for one image: twice what they have in this run."""
    if progress.stored_images < SURE_OF_SIZE:
        return IMAGE_BYTES
    return 2 * progress.stored_bytes // progress.stored_images


# -- is there money?


def _reservation(
    budget: Budget, queue: ProviderQueue, queued: QueuedPart
) -> Reservation:
    planned = queued.planned
    price_key = PriceKey.of(
        queue.name, planned.row.request, planned.model, planned.resolution
    )
    reservation = Reservation(price_key=price_key, images=queued.part.images)
    if budget.is_limited:
        if budget.ceiling(price_key) is None:
            raise UsageError(unpriced_message(price_key, elsewhere=queue.elsewhere))
        reservation.column_values = column_values_of(planned.row.budget_group)
    return reservation


# -- does the rate let it leave?


async def _wait_for_rate(run: Run, queue: ProviderQueue, permit: Permit) -> bool:
    """Wait for the rate; False if nothing more is to be sent."""
    if queue.stopped is not None or run.gives_up:
        return False
    if queue.rate_limiter.may_grant():
        permit.has_grant = True
        return True
    with anyio.CancelScope() as queue.rate_wait:
        await queue.rate_limiter.grant()
        permit.has_grant = True
        return queue.stopped is None and not run.gives_up
    return False
