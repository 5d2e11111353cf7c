"""The only writer of ledger and archive: steps that wait together are one commit.

Images are appended in groups, and the ZIP is synced, before the ledger names them. So
the ledger never names bytes that a power loss could take back. While the ZIP waits for
the disk, the ledger commits other steps: no purchase waits for another's images.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from batchgen.errors import DiskFull
from batchgen.ledger import Ledger
from batchgen.output.archive import Archive, Member, NewImage

if TYPE_CHECKING:
    from batchgen.wire.offload import Offload

T = TypeVar("T")

MAX_GROUP = 64
MAX_GROUP_BYTES = 64 * 1024 * 1024
MAX_QUEUED = 64
"""How many entries may wait in each queue before the callers wait, too."""


async def to_thread(work: Callable[[], T]) -> T:
    """Run work in a thread, or in this one if the system starts no more threads.

    The second is slow, but a paid image is stored.
    """
    # The threads of older anyio keep a reference to their last work, until they get
    # other work. What they refer to is empty by then: it could be an image for each.
    pending, results = [work], list[T]()

    def run() -> None:
        results.append(pending.pop()())

    try:
        await anyio.to_thread.run_sync(run)
    except RuntimeError:
        if not pending:
            raise
        run()
    return results.pop()


@dataclass(slots=True, eq=False)
class _Entry:
    """A step, and the images that it names.

    Attributes:
        end: Where the archive ends behind its images; None without images.
        may_wait: Whether all other waiting entries go first, in a commit without it.
        then: Called with the result once that is on disk, in the order of the steps.
    """

    step: Callable[[Ledger, list[Member]], Any]
    images: Sequence[NewImage] = ()
    members: list[Member] = field(default_factory=list)
    end: int | None = None
    may_wait: bool = False
    then: Callable[[Any], None] | None = None
    done: anyio.Event = field(default_factory=anyio.Event)
    result: Any = None
    error: BaseException | None = None

    def follow(self) -> None:
        """Call `then`; the caller of this entry alone gets its exception.

        The other steps of the group are on disk, too, and their callers wait.
        """
        if self.then is not None:
            try:
                self.then(self.result)
            except Exception as fault:  # noqa: BLE001 - its caller raises it
                self.error = fault


class Writer:
    """Commits steps to the ledger, and images to the archive, in groups."""

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        offload: Offload,
        *,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare to write.

        Args:
            ledger: The run's.
            archive: The run's.
            offload: Runs what waits for the disk.
            lost: Called after each commit if the ledger's file was moved, replaced or
                deleted.
        """
        self._lost = lost
        self._ledger = ledger
        self._archive = archive
        self._offload = offload
        self._failed: BaseException | None = None
        self._full: DiskFull | None = None
        self._open: set[_Entry] = set()
        self._images, self._to_append = anyio.create_memory_object_stream[_Entry](
            MAX_QUEUED
        )
        self._steps, self._to_commit = anyio.create_memory_object_stream[_Entry](
            MAX_QUEUED
        )
        # Entries with images come only from here, in the order of their images in the
        # archive. So the committed end never passes bytes that no step has named.
        self._appended = self._steps.clone()

    def image_at(self, place: int) -> bytes:
        """Return an image of the archive; may be called from any thread.

        Args:
            place: Offset of its local header.

        Raises:
            ArchiveDamaged: there is no whole image.
        """
        return self._archive.read(place)

    async def commit(
        self,
        step: Callable[[Ledger], T],
        *,
        may_wait: bool = False,
        then: Callable[[T], None] | None = None,
    ) -> T:
        """Make a step in the ledger; on disk when this returns.

        A cancellation does not interrupt the step: once begun, it is written.

        Args:
            step: Changes the ledger, and nothing else.
            may_wait: Whether other steps go first: for long steps that no purchase
                waits for. Steps that wait when its turn comes go before it, later ones
                do not, so it cannot be delayed forever.
            then: Applies the result in memory. It is called once the step is on disk,
                in the order of the steps, before any caller goes on. Its exceptions
                are raised here.

        Raises:
            StorageError: nothing more can be written by this process.
        """
        entry = _Entry(lambda ledger, _: step(ledger), may_wait=may_wait, then=then)
        result: T = await self._put(entry)
        return result

    async def store(
        self,
        images: Sequence[NewImage],
        step: Callable[[Ledger, list[Member]], T],
        *,
        then: Callable[[T], None] | None = None,
    ) -> T:
        """Append images and make the step that names them; on disk on return.

        Raises:
            DiskFull: there is no room for these images; later images of this process
                are refused, too, but steps without images are still made.
            StorageError: nothing more can be written by this process.
        """
        result: T = await self._put(_Entry(step, images, then=then))
        return result

    async def _put(self, entry: _Entry) -> Any:  # what the entry's step returns
        with anyio.CancelScope(shield=True):
            # All callers raise one error, whose traceback must not hold their images.
            if self._failed is not None:
                raise self._failed.with_traceback(None)
            if self._full is not None and entry.images:
                raise self._full.with_traceback(None)
            self._open.add(entry)
            try:
                await (self._images if entry.images else self._steps).send(entry)
            except anyio.BrokenResourceError:
                if self._failed is None:
                    raise
                # The writer failed just now: raise what all other callers get.
                raise self._failed from None
            await entry.done.wait()
        if entry.error is not None:
            raise entry.error.with_traceback(None)
        return entry.result

    async def run(self) -> None:
        """Write until `close` is called; a cancellation does not end that.

        Callers that wait for a step are shielded from cancellation, so they would hang
        if the writer stopped first.

        Raises:
            StorageError: in an exception group. A write failed; it is not tried again,
                and every waiting step raises the same error.
        """
        with anyio.CancelScope(shield=True):
            try:
                async with anyio.create_task_group() as both:
                    both.start_soon(self._append_all)
                    both.start_soon(self._each_group, self._to_commit, self._write)
            finally:
                for entry in self._open:
                    entry.error = self._failed
                    entry.done.set()

    async def close(self) -> None:
        """End `run` when all entries are written."""
        await self._images.aclose()
        await self._steps.aclose()

    async def _append_all(self) -> None:
        async with self._appended:
            await self._each_group(self._to_append, self._append)

    async def _each_group(
        self,
        entries: MemoryObjectReceiveStream[_Entry],
        write: Callable[[list[_Entry]], Awaitable[None]],
    ) -> None:
        async with entries:
            async for first in entries:
                # If the other task fails, this one ends between two groups.
                with anyio.CancelScope(shield=True):
                    try:
                        for group in _in_order(_gather(first, entries)):
                            await write(group)
                    except BaseException as error:
                        self._failed = self._failed or error
                        raise

    async def _append(self, group: list[_Entry]) -> None:
        images = [image for entry in group for image in entry.images]

        def append() -> list[Member]:
            members = self._archive.append(images)
            self._archive.sync()
            return members

        if self._full is None:
            try:
                members = await self._offload(append)
            except DiskFull as error:
                # The ledger names none of these bytes. Room for its log is reserved, so
                # it can still store the links of delivered images.
                self._full = error
        if self._full is not None:
            self._refuse(group, self._full)
            return
        starts = [*(member.offset for member in members), self._archive.end]
        end = 0
        for entry in group:
            first, end = end, end + len(entry.images)
            entry.members, entry.end = members[first:end], starts[end]
            try:
                await self._appended.send(entry)
            except anyio.BrokenResourceError:
                return  # the ledger failed, and every waiting step raises its error

    def _refuse(self, group: list[_Entry], error: DiskFull) -> None:
        self._open.difference_update(group)
        for entry in group:
            entry.images, entry.error = (), error
            entry.done.set()

    async def _write(self, group: list[_Entry]) -> None:
        """Make the steps here, and wait for the disk in a thread.

        A thread releases the interpreter's lock at each short statement, and then waits
        for the event loop to release it. A step of 0.1 ms took milliseconds there, and
        every purchase waits for a step.
        """
        self._ledger.begin()
        try:
            for entry in group:
                entry.result = entry.step(self._ledger, entry.members)
            ends = [entry.end for entry in group if entry.end is not None]
            if ends:
                self._ledger.meta.archive_end = ends[-1]
        except BaseException:
            self._ledger.rollback()
            raise
        await self._offload(self._ledger.commit)
        if not self._ledger.is_in_place():
            self._lost()
        self._open.difference_update(group)
        for entry in group:
            entry.images = ()  # frees their memory
            entry.follow()
            entry.done.set()


def _gather(first: _Entry, entries: MemoryObjectReceiveStream[_Entry]) -> list[_Entry]:
    """Return the entries that wait already, as many as one group may have."""
    group, size_bytes = [first], _size_bytes(first)
    while len(group) < MAX_GROUP and size_bytes < MAX_GROUP_BYTES:
        try:
            entry = entries.receive_nowait()
        except (anyio.WouldBlock, anyio.EndOfStream):
            break
        group.append(entry)
        size_bytes += _size_bytes(entry)
    return group


def _in_order(group: list[_Entry]) -> Iterator[list[_Entry]]:
    """Yield the entries of each commit; those that may wait come last, one by one."""
    at_once = [entry for entry in group if not entry.may_wait]
    if at_once:
        yield at_once
    for entry in group:
        if entry.may_wait:
            yield [entry]


def _size_bytes(entry: _Entry) -> int:
    return sum(len(image.data) for image in entry.images)
