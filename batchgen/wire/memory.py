"""How much of what arrives may be held in memory at once, until it is stored."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import anyio

from batchgen.errors import BatchgenError
from batchgen.tracebacks import drop_tracebacks

MEGABYTE = 1024 * 1024

DEFAULT_BYTES = 256 * MEGABYTE

SMALL_BYTES = 64 * 1024
"""A body up to this size is let in without being counted."""


class Memory:
    """A budget of bytes that bodies share; who does not fit waits for its turn.

    Those that hold bytes already and need more come first, the oldest before all, then
    the others in the order in which they came. When all that hold bytes wait, or
    nobody holds any, the first is let in beyond the budget: so nothing blocks for ever,
    a body larger than the budget passes, too, and no more is held than the budget and
    one body.

    Attributes:
        held_bytes: What all leases together hold.
    """

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self.held_bytes = 0
        self._limit = limit_bytes
        self._holders: dict[Lease, None] = {}
        self._resting: set[Lease] = set()
        self._waiting: dict[Lease, _Claim] = {}

    def lease(self) -> Lease:
        """Return a lease of no bytes yet."""
        return Lease(self)

    def take(self, lease: Lease, size_bytes: int) -> bool:
        """Let a lease grow at once; False if it would have to wait."""
        others = len(self._holders) - len(self._resting) - (lease in self._holders)
        is_free = not self._waiting and (not others or self._fits(lease, size_bytes))
        if is_free:
            self._set(lease, size_bytes)
        return is_free

    async def wait(self, lease: Lease, size_bytes: int) -> None:
        """Let a lease grow when it is its turn."""
        claim = self._waiting[lease] = _Claim(size_bytes)
        self._admit()
        try:
            await claim.admitted.wait()
        finally:
            if self._waiting.pop(lease, None) is not None:
                self._admit()  # it was cancelled: somebody else may be first now

    def give_back(self, lease: Lease, size_bytes: int) -> None:
        """Let a lease hold less."""
        self._set(lease, size_bytes)
        self._admit()

    def rest(self, lease: Lease) -> None:
        """Wait no longer for a lease to give back what it holds."""
        if lease in self._holders:
            self._resting.add(lease)
            self._admit()

    def _fits(self, lease: Lease, size_bytes: int) -> bool:
        return self.held_bytes - lease.held_bytes + size_bytes <= self._limit

    def _set(self, lease: Lease, size_bytes: int) -> None:
        self.held_bytes += size_bytes - lease.held_bytes
        lease.held_bytes = size_bytes
        if size_bytes:
            self._holders[lease] = None
        else:
            self._holders.pop(lease, None)
            self._resting.discard(lease)

    def _admit(self) -> None:
        while self._waiting:
            holders = [it for it in self._holders if it in self._waiting]
            first = holders[0] if holders else next(iter(self._waiting))
            somebody_goes_on = len(holders) < len(self._holders) - len(self._resting)
            claim = self._waiting[first]
            if somebody_goes_on and not self._fits(first, claim.size_bytes):
                return
            del self._waiting[first]
            self._set(first, claim.size_bytes)
            claim.admitted.set()


class _Claim:
    """What a lease waits to grow to."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.admitted = anyio.Event()


class Lease:
    """What one exchange holds of the budget, until its context ends.

    An error of ours that ends the context loses its traceback: the frames there hold
    what is no longer counted.

    Attributes:
        held_bytes: What is counted now; 0 for a small body.
    """

    def __init__(self, memory: Memory) -> None:
        self.held_bytes = 0
        self._memory = memory
        self._kept_bytes = 0

    def take(self, size_bytes: int) -> bool:
        """Grow to a size without waiting; False if that cannot be."""
        total_bytes = self._kept_bytes + size_bytes
        if size_bytes <= SMALL_BYTES or total_bytes <= self.held_bytes:
            return True
        return self._memory.take(self, total_bytes)

    async def grow(self, size_bytes: int) -> None:
        """Grow to a size, and wait until that may be."""
        if not self.take(size_bytes):
            await self._memory.wait(self, self._kept_bytes + size_bytes)

    def keep(self) -> None:
        """Hold what is held now to the end, beside what the next body takes."""
        self._kept_bytes = self.held_bytes

    def rest(self) -> None:
        """Say that this is held until other leases have had what they wait for."""
        self._memory.rest(self)

    def shrink(self, size_bytes: int) -> None:
        """Give back all but a size, and what is kept."""
        rest_bytes = size_bytes if size_bytes > SMALL_BYTES else 0
        total_bytes = self._kept_bytes + rest_bytes
        if total_bytes < self.held_bytes:
            self._memory.give_back(self, total_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, BatchgenError):
            drop_tracebacks(error)
        self._kept_bytes = 0
        self.shrink(0)
