"""Reference images of the parts that come next, made ready while others are sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import anyio

from batchgen.admission.next_step import RowEnd
from batchgen.admission.provider_stop import stop
from batchgen.admission.row_changes import RUN_WIDE_ERRORS, end_row, fail_by_fault
from batchgen.errors import ProviderStopped, ReferenceRejected, StorageError
from batchgen.model import Link, Status
from batchgen.tracebacks import drop_tracebacks

if TYPE_CHECKING:
    from batchgen.admission.feed import QueuedPart
    from batchgen.admission.provider_queue import ProviderQueue
    from batchgen.admission.reference_uploads import References
    from batchgen.admission.run_context import Run

AHEAD = 8
"""Parts whose images are read, fetched or uploaded at a time."""


class Preparation:
    """Parts of one provider whose images are being made ready, and those that are."""

    def __init__(self, run: Run, queue: ProviderQueue, references: References) -> None:
        self._run = run
        self._queue = queue
        self._references = references
        self._ready: deque[QueuedPart] = deque()
        self._under_way: set[anyio.CancelScope] = set()
        self._is_closed = False

    @property
    def is_busy(self) -> bool:
        """Whether some parts are being made ready."""
        return bool(self._under_way)

    @property
    def is_full(self) -> bool:
        """Whether as many are as may be at a time."""
        return len(self._under_way) >= AHEAD

    def take_ready(self) -> QueuedPart | None:
        """Return a part whose images are ready."""
        return self._ready.popleft() if self._ready else None

    def put_back(self) -> Iterator[QueuedPart]:
        """Give up what is ready, and its memory; yield the parts."""
        while self._ready:
            queued = self._ready.popleft()
            self._run.reference_buffer.drop(queued)
            yield queued

    async def add(self, queued: QueuedPart) -> bool:
        """Take a part; True if it is ready at once, since it has links alone."""
        request, rules = queued.planned.row.request, self._queue.capabilities.references
        if any(rules.carrier_of(each) != "link" for each in request.references):
            scope = anyio.CancelScope()
            self._under_way.add(scope)
            self._run.tasks.start_soon(self._prepare, queued, scope)
            return False
        if request.references:
            self._references.tell_untried(self._queue, request)
            links = [Link(reference) for reference in request.references]
            await self._run.reference_buffer.put(queued, links)
        return True

    def close(self) -> None:
        """Stop, and give up what is ready."""
        self._is_closed = True
        for scope in list(self._under_way):
            scope.cancel()
        for _ in self.put_back():
            pass

    async def _prepare(self, queued: QueuedPart, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                carried = await self._references.ready(self._queue, queued.planned)
                await self._run.reference_buffer.put(queued, carried)
                if self._is_closed:
                    self._run.reference_buffer.drop(queued)
                else:
                    self._ready.append(queued)
        except ReferenceRejected as error:
            await self._reject(queued, error)
        except ProviderStopped as error:
            drop_tracebacks(error)
            stop(self._run, self._queue, error)
        except StorageError as error:
            # A drive that failed says nothing about the row, which waits for the next
            # run; what is in flight comes in first.
            self._run.end(error)
        except RUN_WIDE_ERRORS:
            raise
        except Exception as fault:
            self._run.log.exception("row_fault", extra={"row": queued.part.row_id})
            await fail_by_fault(self._run, self._queue, queued.part.row_id, fault)
        finally:
            self._under_way.discard(scope)
            self._run.wake()

    async def _reject(self, queued: QueuedPart, error: ReferenceRejected) -> None:
        """Let a row fail that cannot be sent; nothing was bought for it."""
        message = self._run.redactor.redact(error.message)
        end = RowEnd(Status.FAILED, error.kind, message)
        await end_row(self._run, queued.part.row_id, end)
