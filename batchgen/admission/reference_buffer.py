"""Reference images of requests that are about to leave, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from batchgen.admission.next_step import Part
from batchgen.model import Attachment, Carried, Inline, Link
from batchgen.notifier import Notifier

MOST_BYTES = 128 * 1024 * 1024
"""Images of requests that wait to leave, or for their reply; shared ones count once."""


class Shelf:
    """Keeps what a part's request carries until its reply came."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._parts: dict[Part, Sequence[Carried]] = {}
        self._users: Counter[int] = Counter()
        self._bytes = 0
        self._changed = Notifier()

    async def put(self, part: Part, references: Sequence[Carried]) -> None:
        """Keep a part's images for `taken`, waiting while the shelf is full."""
        while (more := self._growth(references)) and self._users:
            if self._bytes + more <= self._most:
                break
            await self._changed.wait(self._changed.version)
        if references:
            self._parts[part] = references
        for it in references:
            if size := size_of(it):
                self._bytes += 0 if id(it) in self._users else size
                self._users[id(it)] += 1

    @contextmanager
    def taken(self, part: Part) -> Iterator[Sequence[Carried]]:
        """Lend a part's images out; afterwards they are no longer kept."""
        references = self._parts.pop(part, ())
        try:
            yield references
        finally:
            self._forget(references)

    def links(self, part: Part) -> tuple[str, ...]:
        """Return the links that a part's request is to name."""
        return tuple(it.url for it in self._parts.get(part, ()) if isinstance(it, Link))

    def drop(self, part: Part) -> None:
        """Keep a part's images no longer: it is not sent after all."""
        self._forget(self._parts.pop(part, ()))

    def _forget(self, references: Sequence[Carried]) -> None:
        for it in references:
            if not size_of(it):
                continue
            self._users[id(it)] -= 1
            if not self._users[id(it)]:
                del self._users[id(it)]
                self._bytes -= size_of(it)
        self._changed.notify_all()

    def _growth(self, references: Sequence[Carried]) -> int:
        return sum(size_of(it) for it in set(references) if id(it) not in self._users)


def size_of(carried: Carried) -> int:
    """Return the bytes that an image takes, here and in its request."""
    match carried:
        case Attachment():
            return len(carried.data)
        case Inline():
            return len(carried.base64)
        case Link():
            return 0
