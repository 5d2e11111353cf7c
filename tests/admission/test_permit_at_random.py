"""Nothing is given back twice or never, whatever ends the way to a purchase, and when.

The real decision, permit, queue, rate and budget are driven by feeders and purchases
that are cut short at random moments: by a cancellation, a provider that stops, a disk
that is full, a budget that is used up, a fault.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from batchgen.admission import feed as feeding
from batchgen.admission import permit as permits
from batchgen.admission import provider_probe
from batchgen.admission.feed import QueuedPart
from batchgen.admission.next_step import Buy, Part
from batchgen.admission.permit import Permit
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import Run
from batchgen.budget import Budget, Limits
from batchgen.errors import BudgetReached, DayFull, DiskFull, OutOfCredit
from batchgen.limits import AimdLimit, ConcurrencyLimiter, RateLimiter
from batchgen.model import Attachment, ImageRequest, Status
from batchgen.providers.aimlapi import AimlApi
from batchgen.storage.disk_room import DiskRoomState
from tests.admission.test_permit import new_queue, new_run

ROUNDS = 150
PARTS = 12
PLANNED = cast(
    Any,
    SimpleNamespace(
        row=SimpleNamespace(
            row_id=1,
            status=Status.PENDING,
            tries_from=0,
            budget_group=None,
            request=ImageRequest(prompt="a"),
        ),
        model="model",
        resolution="1K",
        provider="aimlapi",
    ),
)
Fault = (DiskFull, BudgetReached, DayFull, ZeroDivisionError)


@dataclass(slots=True)
class Room:
    """A disk on which there is room, or not, as chance will have it."""

    rng: random.Random

    def look(self, images: int, size_bytes: int) -> DiskRoomState:
        states: list[DiskRoomState] = [*DiskRoomState]
        return self.rng.choices(states, [8, 2, 1])[0]

    async def hold(self, images: int, size_bytes: int) -> None:
        await checkpoint()
        if self.rng.random() < 0.1:
            raise DiskFull("no room")

    def explain(self, images: int, size_bytes: int) -> DiskFull:
        return DiskFull("no room")


class World:
    """One run whose way to purchases is cut short at random."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.queue = _queue()
        self.run = new_run(self.queue)
        limit = self.rng.choice([45, 1000])
        limits = Limits(run=limit, day=self.rng.choice([None, 25]))
        self.run.budget = Budget(limits, lambda _: 10, lambda: 0)
        self.run.room = cast(Any, Room(self.rng))
        self.run.job = cast(Any, SimpleNamespace(on_day_full="stop"))
        self.sent = 0

    def replace(self, patch: pytest.MonkeyPatch) -> None:
        """Let the questions about a row's history be answered by chance."""
        rng = self.rng

        async def probe(run: Run, queue: ProviderQueue) -> bool:
            await checkpoint()
            if rng.random() < 0.2:
                raise ZeroDivisionError
            return rng.random() < 0.5

        def history(attempts: Sequence[object], *_: object) -> Sequence[object]:
            return attempts

        patch.setattr(provider_probe, "probe_provider", probe)
        patch.setattr(feeding, "history_of", history)
        patch.setattr(permits, "decide", lambda *_: Buy(0))
        patch.setattr(provider_probe, "may_lose", lambda *_: rng.random() < 0.5)

    async def live(self) -> None:
        """Feed parts to their purchases, and cut all of that short somewhere."""
        work = anyio.CancelScope()
        with work:
            async with anyio.create_task_group() as purchases:
                with anyio.CancelScope() as feeding:
                    async with anyio.create_task_group() as others:
                        others.start_soon(self._disturb, work, feeding)
                        await self._feed(purchases)
                        others.cancel_scope.cancel()

    async def _feed(self, purchases: anyio.abc.TaskGroup) -> None:
        for number in range(1, PARTS + 1):
            part = Part(number, 1, 1)
            attempts = cast(Any, self.rng.choice([(), (1,)]))
            queued = QueuedPart(part, PLANNED, attempts, self.rng.random() < 0.5)
            images = [Attachment("a.png", "image/png", bytes(number))]
            await self.run.reference_buffer.put(queued, images)
            try:
                answer = await permits.request(self.run, self.queue, queued)
            except Fault:
                self.run.reference_buffer.drop(queued)  # nothing happens a second time
                continue
            if isinstance(answer, Permit):
                purchases.start_soon(self._buy, answer)

    async def _buy(self, permit: Permit) -> None:
        """Go as far as a purchase may come, and end there in some way."""
        rng, run = self.rng, self.run
        with closing(permit):
            await checkpoint()
            if rng.random() < 0.2:
                return
            permit.mark_recorded()
            try:
                with run.reference_buffer.take(permit.queued):
                    for _ in range(rng.randrange(3)):
                        await checkpoint()
                    if rng.random() < 0.7:
                        permit.record_sent()
                        self.sent += 1
                    permit.cancel_grant()
                if rng.random() < 0.3:
                    permit.free_slot()
                for _ in range(rng.randrange(4)):
                    await checkpoint()
                self.queue.breaker.record_success(permit.load.at)
            finally:
                run.spent(permit.reservation, rng.randrange(11))

    async def _disturb(
        self, work: anyio.CancelScope, feeding: anyio.CancelScope
    ) -> None:
        for _ in range(self.rng.randrange(60)):
            await checkpoint()
            if self.rng.random() < 0.1:
                self.queue.breaker.open()
            self.run.wake()
        match self.rng.randrange(5):
            case 0:
                work.cancel()
            case 1:
                feeding.cancel()
            case 2:
                self.queue.stop(OutOfCredit("aimlapi", "no credit"))
                self.run.wake()
            case 3:
                self.run.give_up()
            case _:
                pass
        while True:  # whoever waits looks again, as purchases elsewhere would let them
            await anyio.sleep(0.0005)
            self.run.wake()


def _queue() -> ProviderQueue:
    queue = new_queue()
    rate_limiter = RateLimiter(60_000, anyio.current_time, counts=True)
    limiter = ConcurrencyLimiter(
        rate_limiter, 3, AimdLimit(60_000.0, is_rate=True), anyio.current_time
    )
    proof = cast(Any, SimpleNamespace(held_before=lambda _: True))
    return ProviderQueue(AimlApi(), queue.endpoint, rate_limiter, limiter, proof)


@pytest.mark.parametrize("first", range(0, ROUNDS, 50))
def test_all_is_given_back_once(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0
    for seed in range(first, first + 50):
        world = World(seed)
        with monkeypatch.context() as patch:
            world.replace(patch)

            async def live(world: World = world) -> None:
                with anyio.fail_after(20):
                    await world.live()

            anyio.run(live)
        queue, run = world.queue, world.run
        counted = (run.live, queue.live, queue.in_flight, run.budget.held())
        assert counted == (0, 0, 0, 0), seed
        assert queue.rate_limiter._granted == 0, seed
        assert queue.breaker.probing is None, seed
        assert not queue.reply_times._waiting, seed
        assert run.reference_buffer._bytes == 0, seed
        sent += world.sent
    assert sent > 20, "most go far enough to matter"
