"""How many bytes of replies and images may be in memory at once, until stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

import anyio

from batchgen.errors import BatchgenError
from batchgen.tracebacks import drop_tracebacks

MEGABYTE = 1024 * 1024

DEFAULT_BYTES = 256 * MEGABYTE

SMALL_BYTES = 64 * 1024
"""A body up to this size is not counted."""


SHARE = 4
"""Replies and downloads get one part in four. Python and its libraries take 100 MB,
references up to 200 MB, and the pages of the archive count, too."""

MIN_BYTES = 64 * MEGABYTE
"""Also the minimum in a job: a reply with one 4K image takes 50 MB."""

# Without a limit, version 1 of control groups gives a number near 2^63.
_UNLIMITED = 1 << 60


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


# -- the limit of the container or service in which this process runs
#
# A process above the limit of its control group is killed, even in the middle of a
# purchase, however much memory the machine has. Linux only; other systems have no such
# limit.


def default_memory_bytes(root: Path = Path("/")) -> int:
    """Return the memory for replies and downloads, unless the job sets it."""
    limit = limit_bytes(root)
    if limit is None:
        return DEFAULT_BYTES
    return max(MIN_BYTES, min(DEFAULT_BYTES, limit // SHARE))


def limit_bytes(root: Path = Path("/")) -> int | None:
    """Return the lowest limit of this process's control groups; None for no limit."""
    limits = (_read_limit(file) for file in _files(root))
    return min((limit for limit in limits if limit is not None), default=None)


def _files(root: Path) -> Iterator[Path]:
    mount = root / "sys/fs/cgroup"
    for controllers, group in _groups(root / "proc/self/cgroup"):
        if controllers == [""]:  # version 2 has one tree for all controllers
            folder, names = mount, ["memory.max", "memory.high"]
        elif "memory" in controllers:
            folder, names = mount / "memory", ["memory.limit_in_bytes"]
        else:
            continue
        # All parents, too: a container may see the path that its group has outside of
        # the container, while its own group is mounted at the top.
        for path in (group, *group.parents):
            yield from (folder / path.relative_to("/") / name for name in names)


def _groups(listing: Path) -> Iterator[tuple[list[str], PurePosixPath]]:
    """Yield controllers and path of each group of this process (cgroups(7))."""
    try:
        lines = listing.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        group = PurePosixPath(path)
        # A group outside our namespace begins with `/..`, and cannot be read.
        if number.isdecimal() and group.is_absolute() and ".." not in group.parts:
            yield controllers.split(","), group


def _read_limit(file: Path) -> int | None:
    try:
        text = file.read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    limit = int(text) if text.isdecimal() and len(text) < 20 else _UNLIMITED
    return limit if 0 < limit < _UNLIMITED else None
