"""What one purchase may use, and what it gives back in the end.

Six things are counted while a purchase is under way: its slot, that it is alive, the
rate limiter's grant, its money, whether it is the probe, and its reference images. All
are taken here, and all that was not used is given back here, in `close`. If one were
forgotten, the run would wait for ever.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from batchgen.admission.feed import QueuedPart
    from batchgen.admission.provider_queue import ProviderQueue
    from batchgen.admission.run_context import Run
    from batchgen.budget import Reservation
    from batchgen.limits import Load


class Presence:
    """One attempt under way at a provider: it is alive, and may hold a slot.

    Use as a context manager. A purchase has a `Permit`; an attempt that an earlier
    process sent is only present.
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Permit(Presence):
    """All that a part needs to be bought.

    Attributes:
        queued: The part, with its row.
        reservation: The money that is held for it.
        load: What was under way at the provider when it left.
        is_probe: Whether it tries if a provider that gave no answers is back.
        is_recorded: Whether the attempt is in the ledger: then its money is no longer
            given back here, but becomes what the attempt costs.
        may_depart: Whether the rate limiter granted a request that is not sent yet.
        has_left: Whether its request really left.
    """

    reservation: Reservation
    load: Load

    def __init__(self, run: Run, queue: ProviderQueue, queued: QueuedPart) -> None:
        super().__init__(run, queue)
        self.queued, self.part = queued, queued.part
        self.is_probe = self.is_recorded = False
        self.may_depart = self.has_left = False
        self._holds_money = False
        self._left_at: float | None = None
        self._head_at: float | None = None

    # -- taken, in this order

    def hold(self, reservation: Reservation) -> None:
        """Keep money that the budget holds."""
        self.reservation, self._holds_money = reservation, True

    def begin(self) -> None:
        """Take the slot; the purchase begins now."""
        queue = self.queue
        if not queue.live:
            queue.alone_since = self.run.time.monotonic()
        self.arrive(with_slot=True)
        self.is_probe = self.queued.as_probe and queue.breaker.is_open
        if self.is_probe:
            queue.breaker.probing = self
        self.load = queue.limiter.record_departure(queue.in_flight)

    # -- used

    def record_sent(self) -> None:
        """Count the request as sent at this moment."""
        self.has_left, self.may_depart = True, False
        self._left_at = self.run.time.monotonic()
        self.queue.rate_limiter.record_sent(self._left_at)
        self.queue.reply_times.record_sent(id(self), self._left_at)

    def record_head(self) -> None:
        """Note that the head of the reply is here, at this moment."""
        self._head_at = self.run.time.monotonic()

    def times(self) -> tuple[float, float]:
        """Return when the request left, and seconds from then to the reply's head.

        The reply is not waited for any more.
        """
        self.queue.reply_times.record_answer(id(self))
        now = self.run.time.monotonic()
        left_at = now if self._left_at is None else self._left_at
        return left_at, (self._head_at or now) - left_at

    # -- given back

    def cancel_departure(self) -> None:
        """Give the rate limiter's grant back if nothing was sent."""
        if self.may_depart:
            self.may_depart = False
            self.queue.rate_limiter.cancel()

    def close(self) -> None:
        """Give back whatever was not used; nothing happens the second time."""
        self.run.reference_buffer.drop(self.part)
        self.cancel_departure()
        self.queue.reply_times.record_answer(id(self))
        if self._holds_money and not self.is_recorded:
            self._holds_money = False
            self.run.release(self.reservation)
        if self.queue.breaker.probing is self:
            self.queue.breaker.probing = None
        super().close()
