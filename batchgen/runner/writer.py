"""The one owner of ledger and archive: what is done together is one commit.

Order within a group: append all images, sync the ZIP, commit the ledger. So the
ledger never names bytes that a power loss could take back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from batchgen.ledger import Ledger
from batchgen.output.archive import Archive, Incoming, Member

if TYPE_CHECKING:
    from batchgen.wire.sender import Offload

T = TypeVar("T")

GROUP_MOST = 64
GROUP_BYTES = 64 * 1024 * 1024
QUEUE = 64
"""Entries that wait: with images of 20 MB this is what back-pressure starts at."""


async def to_thread(work: Callable[[], T]) -> T:
    """Run work in a thread."""
    return await anyio.to_thread.run_sync(work)


@dataclass(slots=True)
class _Entry:
    step: Callable[[Ledger, list[Member]], Any]
    images: Sequence[Incoming] = ()
    done: anyio.Event = field(default_factory=anyio.Event)
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Commits steps to the ledger, and images to the archive, in groups."""

    def __init__(self, ledger: Ledger, archive: Archive, offload: Offload) -> None:
        self._ledger = ledger
        self._archive = archive
        self._offload = offload
        self._failed: BaseException | None = None
        self._send: MemoryObjectSendStream[_Entry]
        self._receive: MemoryObjectReceiveStream[_Entry]
        self._send, self._receive = anyio.create_memory_object_stream[_Entry](QUEUE)

    async def commit(self, step: Callable[[Ledger], T]) -> T:
        """Make a step in the ledger; on disk when this returns.

        It is not cut short by a cancellation: what was begun is written.

        Raises:
            StorageError: nothing more can be written by this process.
        """
        result: T = await self._put(_Entry(lambda ledger, _: step(ledger)))
        return result

    async def store(
        self, images: Sequence[Incoming], step: Callable[[Ledger, list[Member]], T]
    ) -> T:
        """Append images and make the step that names them; on disk on return."""
        result: T = await self._put(_Entry(step, images))
        return result

    async def _put(self, entry: _Entry) -> Any:  # what the entry's step returns
        with anyio.CancelScope(shield=True):
            if self._failed is not None:
                raise self._failed
            try:
                await self._send.send(entry)
            except anyio.BrokenResourceError:
                if self._failed is None:
                    raise
                # It failed just now; what failed is what the others were told.
                raise self._failed from None
            await entry.done.wait()
        if entry.error is not None:
            raise entry.error
        return entry.result

    async def run(self) -> None:
        """Write until `close` is called, and through every cancellation till then.

        Who waits for a step is shielded: a writer that left them would hang them.

        Raises:
            StorageError: a write failed; it is not tried again, and every step that
                waited for it was told.
        """
        with anyio.CancelScope(shield=True):
            async with self._receive:
                async for first in self._receive:
                    group = self._gather(first)
                    try:
                        await self._write(group)
                    except BaseException as error:
                        self._failed = error
                        self._tell(group, error)
                        raise
                    for entry in group:
                        # Whoever held memory for them gives it back now.
                        entry.images = ()
                        entry.done.set()

    async def close(self) -> None:
        """End `run` when all that was put is written."""
        await self._send.aclose()

    def _gather(self, first: _Entry) -> list[_Entry]:
        group, size = [first], _size(first)
        while len(group) < GROUP_MOST and size < GROUP_BYTES:
            try:
                entry = self._receive.receive_nowait()
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
            group.append(entry)
            size += _size(entry)
        return group

    async def _write(self, group: list[_Entry]) -> None:
        """Wait for the disk in a thread, and make the steps here.

        A thread that runs many short statements loses the interpreter's lock at each
        of them and waits for it behind the event loop: a step that takes 0.1 ms took
        milliseconds there, and every purchase waits for one.
        """
        images = [image for entry in group for image in entry.images]
        members = iter(await self._append(images))
        self._ledger.begin()
        try:
            for entry in group:
                own = [next(members) for _ in entry.images]
                entry.result = entry.step(self._ledger, own)
            if images:
                self._ledger.put("archive_end", self._archive.end)
        except BaseException:
            self._ledger.rollback()
            raise
        await self._offload(self._ledger.commit)

    async def _append(self, images: list[Incoming]) -> list[Member]:
        if not images:
            return []

        def append() -> list[Member]:
            members = self._archive.append(images)
            self._archive.sync()
            return members

        return await self._offload(append)

    def _tell(self, group: list[_Entry], error: BaseException) -> None:
        waiting = list(group)
        while True:
            try:
                waiting.append(self._receive.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        for entry in waiting:
            entry.error = error
            entry.done.set()


def _size(entry: _Entry) -> int:
    return sum(len(image.data) for image in entry.images)
