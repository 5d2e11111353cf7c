"""Which part a provider is asked for next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

import anyio
from anyio.lowlevel import checkpoint

from batchgen.admission.failover import WorkStealing
from batchgen.admission.next_step import (
    Part,
    history_of,
    may_lose,
    missing_parts,
)
from batchgen.admission.preparation import Preparation
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.reference_uploads import References
from batchgen.admission.row_scan import SLICE, RowScan
from batchgen.admission.run_context import Run
from batchgen.errors import (
    Again,
)
from batchgen.ledger import AttemptRecord, PlannedRow


@dataclass(frozen=True, slots=True, eq=False)
class QueuedPart:
    """A part that may be bought, and what was tried for its row so far.

    Two of the same part are not equal: each has its own reference images.

    Attributes:
        as_probe: Whether it may try if a provider is back that gave no answers.
    """

    part: Part
    planned: PlannedRow
    attempts: Sequence[AttemptRecord]
    as_probe: bool = False

    @property
    def history(self) -> list[AttemptRecord]:
        """Its attempts that ended without images since the last `retry`."""
        return history_of(self.attempts, self.part, self.planned.row.tries_from)


class Feed:
    """Parts in manifest order, retries first when they are due.

    A part whose images must be read or uploaded first comes when they are ready, in
    the run's reference buffer; other parts may come before it. Use with
    `closing`.
    """

    def __init__(self, run: Run, queue: ProviderQueue, references: References) -> None:
        self._run = run
        self._queue = queue
        scope = run.job.rows_in_scope
        self.scan = RowScan(run.ledger, run.budget, queue.name, scope)
        self._rows: deque[PlannedRow] = deque()
        self._parts: deque[QueuedPart] = deque()
        self._preparation = Preparation(run, queue, references)
        self._work_stealing = WorkStealing(run, queue)

    def close(self) -> None:
        """End; what waits for its images is given up, and comes again later."""
        self._queue.idle_at = inf
        self._run.wake()
        self._preparation.close()

    async def next(self) -> QueuedPart | None:
        """Return the next part, waiting while some may still come; None at the end."""
        while self._queue.stopped is None and not self._run.gives_up:
            # Read before all looks: what changes during one of them ends the wait.
            version = self._run.changed.version
            if (ready := self._preparation.take_ready()) is not None:
                return ready
            queued = None if self._preparation.is_full else self._take()
            if queued is None:
                if self._has_more_rows():
                    await checkpoint()
                elif not await self._may_look_again(version):
                    return None
            elif self.scan.set_aside(queued.planned.row.budget_group, queued.part):
                pass
            elif await self._preparation.add(queued):
                return queued
        return None

    def _has_more_rows(self) -> bool:
        """Say whether rows may come at once, after some that were passed over."""
        if self._preparation.is_full or self._rows or self._parts:
            return False
        if self.scan.may_have_more:
            return True
        reopened = list(self.scan.reopen())
        for part in reopened:
            self._queue.retries.add(part, 0.0)
        return bool(reopened)

    def put_back(self, part: Part) -> None:
        """Put a part back, and all parts whose images are ready.

        Nothing is sent for a long time now, and images take memory.
        """
        for queued in self._preparation.put_back():
            self._queue.retries.add(queued.part, 0.0)
        self._queue.retries.add(part, 0.0)

    async def _may_look_again(self, version: int) -> bool:
        """Say whether to look again: rows came from others, or something changed.

        Args:
            version: Of the run's notifier, before what was looked at.
        """
        is_idle = not self._preparation.is_busy and not len(self._queue.retries)
        if is_idle and len(self._run.queues) > 1:
            if await self._work_stealing.steal():
                return True
            # While others were asked, a retry may have come due, money may have come
            # back to a full budget, or the plan may have ended.
            if self._run.changed.version != version:
                return True
            self._queue.idle_at = version
        return await self._wait(version)

    async def _wait(self, version: int) -> bool:
        """Wait until something changes; False if nothing will."""
        wait_s = self._queue.retries.next_in_s()
        if self._preparation.is_busy:
            wait_s = None if self._preparation.is_full else wait_s
        elif self._queue.moved_rows:
            return True
        elif (
            wait_s is None
            and not self._run.planning
            and self._run.live == 0
            and not self.scan.may_reopen()
            and not any(
                queue.may_hand_over(version)
                for queue in self._run.queues.values()
                if queue is not self._queue
            )
        ):
            return False
        with anyio.move_on_after(wait_s):
            await self._run.changed.wait(version)
        return True

    def _take(self) -> QueuedPart | None:
        queued = self._next_part()
        if queued is not None:
            self._queue.idle_at = -1
        return queued

    def _next_part(self) -> QueuedPart | None:
        if not self._queue.is_in_doubt:
            return self._due_retry() or self._next_new() or self._deferred()
        # It may be an outage. Rows that were never lost are sent to find out, since a
        # row that is lost twice is held.
        first = self._retry_that_may_be_lost() if self._queue.breaker.is_open else None
        queued = first or self._never_sent() or self._due_retry() or self._deferred()
        return None if queued is None else replace(queued, as_probe=True)

    def _deferred(self) -> QueuedPart | None:
        """Return a part that was deferred until nothing else is left."""
        queue = self._queue
        if self._run.planning or queue.in_flight or len(queue.retries):
            return None
        while queue.deferred:
            queue.retries.add(queue.deferred.popleft(), 0.0)
        return self._due_retry()

    def _retry_that_may_be_lost(self) -> QueuedPart | None:
        """Return a part that can be lost once more without its row ending."""
        queued = self._due_retry()
        if queued is None or may_lose(queued.history, self._run.policy):
            return queued
        self._queue.retries.add(queued.part, 0.0)
        return None

    def _never_sent(self) -> QueuedPart | None:
        while (queued := self._next_new()) is not None:
            if not queued.attempts:
                return queued
            self._queue.retries.add(queued.part, 0.0)
        return None

    def _due_retry(self) -> QueuedPart | None:
        while (part := self._queue.retries.take_due()) is not None:
            planned = self._planned(part.row_id)
            if planned is None:
                continue
            attempts = self._run.ledger.attempts_of(part.row_id)
            if part.images <= self._queue.capabilities.images_per_request:
                return QueuedPart(part, planned, attempts)
            # It comes from a provider that makes more at once.
            self._parts.extend(self._missing_parts(planned))
            return self._next_new()
        return None

    def _planned(self, row_id: int) -> PlannedRow | None:
        """Return a row, if this queue is to make it."""
        planned = self._run.ledger.planned(row_id)
        is_ours = planned is not None and planned.provider == self._queue.name
        return planned if is_ours else None

    def _next_new(self) -> QueuedPart | None:
        while not self._parts:
            # A row may free a million others: they are read a slice at a time.
            while self._queue.moved_rows and len(self._rows) < SLICE:
                if (
                    planned := self._planned(self._queue.moved_rows.popleft())
                ) is not None:
                    self._rows.append(planned)
            if not self._rows:
                self._rows.extend(self.scan.read())
                self._queue.scanned_to = self.scan.scanned_to
            if not self._rows:
                return None
            self._parts.extend(self._parts_to_send_now(self._rows.popleft()))
        return self._parts.popleft()

    def _parts_to_send_now(self, planned: PlannedRow) -> Iterator[QueuedPart]:
        """Yield a row's parts, and defer those whose last answer stopped a run.

        They are sent when nothing else is left: one of them may stop this run, too.
        """
        for queued in self._missing_parts(planned):
            last = next(reversed(queued.history), None)
            is_ours = last is not None and last.provider == self._queue.name
            if last is not None and is_ours and last.again is Again.STOP:
                self._queue.deferred.append(queued.part)
            else:
                yield queued

    def _missing_parts(self, planned: PlannedRow) -> Iterator[QueuedPart]:
        row, ledger = planned.row, self._run.ledger
        attempts = ledger.attempts_of(row.row_id)
        have = ledger.stored_images(row.row_id) if attempts else set()
        max_images = self._queue.capabilities.images_per_request
        for part in missing_parts(
            row.row_id, row.request.n, have, attempts, max_images
        ):
            yield QueuedPart(part, planned, attempts)
