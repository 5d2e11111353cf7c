"""Keep the reference images of requests until their replies, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

from batchgen.model import Attachment, Inline, Link, Payload
from batchgen.notifier import Notifier

MAX_BYTES = 128 * 1024 * 1024
"""Images of requests that wait to be sent, or for a reply; shared images count once."""


class ReferenceBuffer:
    """Keeps the reference images of each queued part until the reply to its request.

    A part may be queued twice, or at two providers: each time has images of its own,
    so that what gives one up does not take the images of the other.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._parts: dict[Hashable, Sequence[Payload]] = {}
        self._users: Counter[int] = Counter()
        self._bytes = 0
        self._changed = Notifier()

    async def put(self, part: Hashable, references: Sequence[Payload]) -> None:
        """Keep the images of a part for `take`; wait while the buffer is full."""
        while (new_bytes := self._new_bytes(references)) and self._users:
            if self._bytes + new_bytes <= self._max_bytes:
                break
            await self._changed.wait(self._changed.version)
        if references:
            self._parts[part] = references
        for reference in references:
            if size := size_of(reference):
                self._bytes += 0 if id(reference) in self._users else size
                self._users[id(reference)] += 1

    @contextmanager
    def take(self, part: Hashable) -> Iterator[Sequence[Payload]]:
        """Yield the images of a part, and drop them afterwards."""
        references = self._parts.pop(part, ())
        try:
            yield references
        finally:
            self._forget(references)

    def links(self, part: Hashable) -> tuple[str, ...]:
        """Return the links among the references of a part."""
        return tuple(
            reference.url
            for reference in self._parts.get(part, ())
            if isinstance(reference, Link)
        )

    def drop(self, part: Hashable) -> None:
        """Drop the images of a part that is not sent after all."""
        self._forget(self._parts.pop(part, ()))

    def _forget(self, references: Sequence[Payload]) -> None:
        for reference in references:
            if not size_of(reference):
                continue
            self._users[id(reference)] -= 1
            if not self._users[id(reference)]:
                del self._users[id(reference)]
                self._bytes -= size_of(reference)
        self._changed.notify_all()

    def _new_bytes(self, references: Sequence[Payload]) -> int:
        return sum(
            size_of(reference)
            for reference in set(references)
            if id(reference) not in self._users
        )


def size_of(payload: Payload) -> int:
    """Return the bytes of an image in memory and in its request."""
    match payload:
        case Attachment():
            return len(payload.data)
        case Inline():
            return len(payload.base64)
        case Link():
            return 0
