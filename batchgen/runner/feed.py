"""What one lane is to buy next, the reference images of it made ready ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import anyio
from anyio.lowlevel import checkpoint

from batchgen.errors import (
    Again,
    Charge,
    Internal,
    ProviderStopped,
    ReferenceRejected,
    StorageError,
)
from batchgen.ledger import AttemptRecord, Ledger, PlannedRow
from batchgen.model import Link, Status
from batchgen.runner.context import Run
from batchgen.runner.decide import Part, history_of, may_lose, missing_parts
from batchgen.runner.fence import EVERYBODYS, fail_row
from batchgen.runner.lane import Lane
from batchgen.runner.moving import TakeOver
from batchgen.runner.references import References
from batchgen.runner.scan import Scan
from batchgen.runner.verdict import stop
from batchgen.tracebacks import drop_tracebacks, fault_words

AHEAD = 8
"""Parts whose images are read, fetched or uploaded at a time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part that may be bought, and what was tried for its row so far.

    Attributes:
        as_probe: Whether it may try if a provider is back that gave no answers.
    """

    part: Part
    planned: PlannedRow
    attempts: Sequence[AttemptRecord]
    as_probe: bool = False


class Feed:
    """Parts in manifest order, retries first when they are due.

    A part with images that must be read or sent first comes when they are ready, on
    the run's shelf; others may come before it. Use as a context manager.
    """

    def __init__(self, run: Run, lane: Lane, references: References) -> None:
        self._run = run
        self._lane = lane
        self._references = references
        limit = run.job.limit
        below = limit if limit is not None else 1 << 62
        self.scan = Scan(run.ledger, run.budget, lane.name, below)
        self._rows: deque[PlannedRow] = deque()
        self._parts: deque[Wanted] = deque()
        self._ready: deque[Wanted] = deque()
        self._preparing: set[anyio.CancelScope] = set()
        self._is_closed = False
        self._take_over = TakeOver(run, lane)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closed = self._lane.is_dry = True
        self._run.wake()
        for scope in list(self._preparing):
            scope.cancel()
        for wanted in self._ready:
            self._run.shelf.drop(wanted.part)
        self._ready.clear()

    async def next(self) -> Wanted | None:
        """Return the next part, waiting while some may still come; None at the end."""
        while self._lane.stopped is None and not self._run.gives_up:
            rings = self._run.changed.rings
            if self._ready:
                return self._ready.popleft()
            wanted = self._take() if len(self._preparing) < AHEAD else None
            if wanted is None:
                if self._reads_on():
                    await checkpoint()
                elif not await self._more(rings):
                    return None
            elif self.scan.set_aside(wanted.planned.row.budget_group, wanted.part):
                pass
            elif self._needs_work(wanted):
                self._start(wanted)
            else:
                self._references.tell_untried(self._lane, wanted.planned.row.request)
                links = [Link(it) for it in wanted.planned.row.request.references]
                await self._run.shelf.put(wanted.part, links)
                return wanted
        return None

    def _reads_on(self) -> bool:
        """Say whether rows may come at once, after some that were passed over."""
        if len(self._preparing) >= AHEAD or self._rows or self._parts:
            return False
        if self.scan.may_have_more:
            return True
        reopened = list(self.scan.reopen())
        for part in reopened:
            self._lane.retries.add(part, 0.0)
        return bool(reopened)

    def put_back(self) -> None:
        """Let parts that are ready be made ready anew: they will not go for long."""
        while self._ready:
            wanted = self._ready.popleft()
            self._run.shelf.drop(wanted.part)
            self._lane.retries.add(wanted.part, 0.0)

    async def _more(self, rings: int) -> bool:
        """Say whether to look again: rows came from others, or something changed.

        Args:
            rings: Of the run's bell, before what was looked at.
        """
        is_idle = not self._preparing and not len(self._lane.retries)
        if is_idle and len(self._run.lanes) > 1:
            if await self._take_over.take():
                return True
            if not self._lane.is_dry:
                self._lane.is_dry = True
                self._run.wake()
            # While others were asked, a retry may have come due, money may have come
            # back to a full budget, or the plan may have ended.
            if self._run.changed.rings != rings:
                return True
        return await self._wait()

    def _others_are_dry(self) -> bool:
        """Say whether no other lane has anything that could still come here."""
        others = (it for it in self._run.lanes.values() if it is not self._lane)
        return not any(it.may_hand_on for it in others)

    async def _wait(self) -> bool:
        """Wait until something changes; False if nothing will."""
        wait_s = self._lane.retries.next_in_s()
        if self._preparing:
            wait_s = None if len(self._preparing) >= AHEAD else wait_s
        elif self._lane.moved:
            return True
        elif (
            wait_s is None
            and not self._run.planning
            and self._run.live == 0
            and not self.scan.may_reopen()
        ):
            return not self._others_are_dry() and await self._changed(None)
        return await self._changed(wait_s)

    async def _changed(self, within_s: float | None) -> bool:
        with anyio.move_on_after(within_s):
            await self._run.changed.wait()
        return True

    def _take(self) -> Wanted | None:
        wanted = self._next_part()
        if wanted is not None:
            self._lane.is_dry = False
        return wanted

    def _next_part(self) -> Wanted | None:
        if not self._lane.is_in_doubt:
            return self._again() or self._fresh() or self._put_off()
        # It may be an outage. Rows that were never lost find out: one that is lost
        # twice is held.
        first = self._tried_for_free() if self._lane.breaker.is_open else None
        wanted = first or self._untried() or self._again() or self._put_off()
        return None if wanted is None else replace(wanted, as_probe=True)

    def _put_off(self) -> Wanted | None:
        """Return a part that was to be asked again when nothing else is left."""
        lane = self._lane
        if self._run.planning or lane.in_flight or len(lane.retries):
            return None
        while lane.aside:
            lane.retries.add(lane.aside.popleft(), 0.0)
        return self._again()

    def _tried_for_free(self) -> Wanted | None:
        """Return one that can be lost once more: each row may fail at first alone."""
        wanted = self._again()
        if wanted is None:
            return None
        tries_from = wanted.planned.row.tries_from
        history = history_of(wanted.attempts, wanted.part, tries_from)
        if may_lose(history, self._run.policy):
            return wanted
        self._lane.retries.add(wanted.part, 0.0)
        return None

    def _untried(self) -> Wanted | None:
        while (wanted := self._fresh()) is not None:
            if not wanted.attempts:
                return wanted
            self._lane.retries.add(wanted.part, 0.0)
        return None

    def _again(self) -> Wanted | None:
        while (part := self._lane.retries.take_due()) is not None:
            planned = self._planned(part.row_id)
            if planned is None:
                continue
            attempts = self._run.ledger.attempts_of(part.row_id)
            if part.images <= self._lane.able.images_per_request:
                return Wanted(part, planned, attempts)
            # It comes from a provider that makes more at once.
            self._parts.extend(self._missing(planned))
            return self._fresh()
        return None

    def _planned(self, row_id: int) -> PlannedRow | None:
        """Return a row, if this lane is to make it."""
        planned = self._run.ledger.planned(row_id)
        is_ours = planned is not None and planned.provider == self._lane.name
        return planned if is_ours else None

    def _fresh(self) -> Wanted | None:
        while not self._parts:
            while self._lane.moved:
                if (planned := self._planned(self._lane.moved.popleft())) is not None:
                    self._rows.append(planned)
            if not self._rows:
                self._rows.extend(self.scan.read())
            if not self._rows:
                return None
            self._parts.extend(self._asked_now(self._rows.popleft()))
        return self._parts.popleft()

    def _asked_now(self, planned: PlannedRow) -> Iterator[Wanted]:
        """Yield a row's parts, but for those whose last answer stopped a run.

        They are asked when nothing else is left: one of them may be what stopped it.
        """
        for wanted in self._missing(planned):
            tries_from = planned.row.tries_from
            history = history_of(wanted.attempts, wanted.part, tries_from)
            last = history[-1] if history else None
            is_ours = last is not None and last.provider == self._lane.name
            if last is not None and is_ours and last.again is Again.STOP:
                self._lane.aside.append(wanted.part)
            else:
                yield wanted

    def _missing(self, planned: PlannedRow) -> Iterator[Wanted]:
        row, ledger = planned.row, self._run.ledger
        attempts = ledger.attempts_of(row.row_id)
        have = ledger.stored_images(row.row_id) if attempts else set()
        most = self._lane.able.images_per_request
        for part in missing_parts(row.row_id, row.request.n, have, attempts, most):
            yield Wanted(part, planned, attempts)

    # -- reference images

    def _needs_work(self, wanted: Wanted) -> bool:
        rules = self._lane.able.references
        return any(
            rules.carrier_of(it) != "link"
            for it in wanted.planned.row.request.references
        )

    def _start(self, wanted: Wanted) -> None:
        scope = anyio.CancelScope()
        self._preparing.add(scope)
        self._run.tasks.start_soon(self._prepare, wanted, scope)

    async def _prepare(self, wanted: Wanted, scope: anyio.CancelScope) -> None:
        request = wanted.planned.row.request
        try:
            with scope:
                carried = await self._references.ready(self._lane, request)
                await self._run.shelf.put(wanted.part, carried)
                if self._is_closed:
                    self._run.shelf.drop(wanted.part)
                else:
                    self._ready.append(wanted)
        except ReferenceRejected as error:
            await self._reject(wanted, error)
        except ProviderStopped as error:
            drop_tracebacks(error)
            stop(self._run, self._lane, error)
        except StorageError as error:
            # A drive that failed says nothing of the row, which waits for the next
            # run; what is in flight comes in first.
            self._run.end(error)
        except EVERYBODYS:
            raise
        except Exception as fault:
            self._run.log.exception("row_fault", extra={"row": wanted.part.row_id})
            words = fault_words(fault)
            unexpected = Internal(self._lane.name, words, Charge.NONE)
            await fail_row(self._run, wanted.part.row_id, unexpected)
        finally:
            self._preparing.discard(scope)
            self._run.wake()

    async def _reject(self, wanted: Wanted, error: ReferenceRejected) -> None:
        """Let a row fail that cannot be sent; nothing was bought for it."""
        row_id = wanted.part.row_id
        message = self._run.scrubber.clean(error.message)

        def step(ledger: Ledger) -> None:
            # Unless another part of the row came first.
            if ledger.status(row_id) is Status.PENDING:
                ledger.settle(row_id, Status.FAILED, error.kind, message)
                self._run.progress.settle(Status.FAILED)

        await self._run.writer.commit(step)
