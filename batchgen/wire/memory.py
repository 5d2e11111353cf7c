"""How many bytes of replies and images may be in memory at once, until stored."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import anyio

from batchgen.errors import BatchgenError
from batchgen.tracebacks import drop_tracebacks

MEGABYTE = 1024 * 1024

DEFAULT_BYTES = 256 * MEGABYTE

SMALL_BYTES = 64 * 1024
"""A body up to this size is not counted."""


class MemoryBudget:
    """A budget of bytes that all bodies share; a body that does not fit waits.

    Leases that hold bytes already and need more come first, the oldest before all,
    then the others in the order of their requests. When every lease that holds bytes
    waits, or none holds any, the first request is granted beyond the budget. So there
    is no deadlock, a body larger than the budget passes, too, and the memory used is
    at most the budget plus one body.

    Attributes:
        held_bytes: Held by all leases together.
    """

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self.held_bytes = 0
        self._limit = limit_bytes
        self._holders: dict[MemoryLease, None] = {}
        self._resting: set[MemoryLease] = set()
        self._waiting: dict[MemoryLease, tuple[int, anyio.Event]] = {}

    def lease(self) -> MemoryLease:
        """Return a lease that holds no bytes yet."""
        return MemoryLease(self)

    def try_grow(self, lease: MemoryLease, size_bytes: int) -> bool:
        """Let a lease grow at once; return False if the lease would have to wait."""
        others = len(self._holders) - len(self._resting) - (lease in self._holders)
        can_grow = not self._waiting and (not others or self._fits(lease, size_bytes))
        if can_grow:
            self._set(lease, size_bytes)
        return can_grow

    async def wait(self, lease: MemoryLease, size_bytes: int) -> None:
        """Let a lease grow when its turn comes."""
        granted = anyio.Event()
        self._waiting[lease] = size_bytes, granted
        self._admit()
        try:
            await granted.wait()
        finally:
            if self._waiting.pop(lease, None) is not None:
                self._admit()  # cancelled: another request may be first now

    def give_back(self, lease: MemoryLease, size_bytes: int) -> None:
        """Reduce what a lease holds."""
        self._set(lease, size_bytes)
        self._admit()

    def mark_idle(self, lease: MemoryLease) -> None:
        """Do not count on this lease to give back bytes soon."""
        if lease in self._holders:
            self._resting.add(lease)
            self._admit()

    def _fits(self, lease: MemoryLease, size_bytes: int) -> bool:
        return self.held_bytes - lease.held_bytes + size_bytes <= self._limit

    def _set(self, lease: MemoryLease, size_bytes: int) -> None:
        self.held_bytes += size_bytes - lease.held_bytes
        lease.held_bytes = size_bytes
        if size_bytes:
            self._holders[lease] = None
        else:
            self._holders.pop(lease, None)
            self._resting.discard(lease)

    def _admit(self) -> None:
        while self._waiting:
            holders = [lease for lease in self._holders if lease in self._waiting]
            first = holders[0] if holders else next(iter(self._waiting))
            others_will_free = len(holders) < len(self._holders) - len(self._resting)
            size_bytes, granted = self._waiting[first]
            if others_will_free and not self._fits(first, size_bytes):
                return
            del self._waiting[first]
            self._set(first, size_bytes)
            granted.set()


class MemoryLease:
    """The part of the budget that one exchange holds, until its context ends.

    An error of batchgen that ends the context loses its traceback: the frames in it
    would keep bytes in memory that are no longer counted.

    Attributes:
        held_bytes: Bytes that are counted now; 0 for a small body.
    """

    def __init__(self, memory: MemoryBudget) -> None:
        self.held_bytes = 0
        self._memory = memory
        self._kept_bytes = 0

    def try_grow(self, size_bytes: int) -> bool:
        """Grow to a size without waiting; return False if that is not possible."""
        total_bytes = self._kept_bytes + size_bytes
        if size_bytes <= SMALL_BYTES or total_bytes <= self.held_bytes:
            return True
        return self._memory.try_grow(self, total_bytes)

    async def grow(self, size_bytes: int) -> None:
        """Grow to a size; wait until the budget allows it."""
        if not self.try_grow(size_bytes):
            await self._memory.wait(self, self._kept_bytes + size_bytes)

    def keep(self) -> None:
        """Keep the present bytes to the end, beside those of the next body."""
        self._kept_bytes = self.held_bytes

    def mark_idle(self) -> None:
        """Say that these bytes are given back only after other leases have grown."""
        self._memory.mark_idle(self)

    def shrink(self, size_bytes: int) -> None:
        """Give back all bytes but this many, and those of `keep`."""
        counted_bytes = size_bytes if size_bytes > SMALL_BYTES else 0
        total_bytes = self._kept_bytes + counted_bytes
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
