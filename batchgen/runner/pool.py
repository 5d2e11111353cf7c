"""Feed what waits into the lanes: rate, requests in flight and budget permitting."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import anyio

from batchgen.budget import Reservation
from batchgen.errors import DiskFull, UsageError
from batchgen.ledger import AttemptRecord, Ledger, PlannedRow, RowRecord
from batchgen.model import Status
from batchgen.runner.context import Run
from batchgen.runner.decide import (
    Buy,
    Part,
    Settled,
    decide,
    history_of,
    missing_parts,
)
from batchgen.runner.lane import Lane
from batchgen.runner.purchase import Order, buy

SLICE = 256
"""Rows that are read ahead of their purchase."""

SPARE_BYTES = 64 * 1024 * 1024
IMAGE_BYTES = 8 * 1024 * 1024
SURE_OF_SIZE = 16
"""Room kept on the disk: a margin, and for each image in flight [assumed], until the
first images have shown their size."""

UNSTORED_FACTOR = 3
"""Attempts under way, downloads included, for each place in flight."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part that may be bought, and what was tried for its row so far."""

    part: Part
    row: RowRecord
    attempts: Sequence[AttemptRecord]


class Feed:
    """What one lane is to buy, in manifest order, retries first when they are due."""

    def __init__(self, run: Run, lane: Lane) -> None:
        self._run = run
        self._lane = lane
        self._after = -1
        self._rows: deque[PlannedRow] = deque()
        self._parts: deque[Wanted] = deque()

    async def next(self) -> Wanted | None:
        """Return the next part, waiting while some may still come; None at the end."""
        while self._lane.stopped is None:
            if (part := self._lane.retries.take_due()) is not None:
                return self._look_up(part)
            if (wanted := self._fresh()) is not None:
                return wanted
            changed = self._run.changed
            wait_s = self._lane.retries.next_in_s()
            busy = self._run.planning or self._run.live > 0
            if wait_s is None and not busy:
                return None
            with anyio.move_on_after(wait_s):
                await changed.wait()
        return None

    def _look_up(self, part: Part) -> Wanted:
        ledger = self._run.ledger
        return Wanted(part, ledger.row(part.row_id), ledger.attempts_of(part.row_id))

    def _fresh(self) -> Wanted | None:
        while not self._parts:
            if not self._rows:
                self._read_rows()
            if not self._rows:
                return None
            self._parts.extend(self._missing(self._rows.popleft()))
        return self._parts.popleft()

    def _read_rows(self) -> None:
        limit = self._run.job.limit
        below = limit if limit is not None else 1 << 62
        rows = self._run.ledger.waiting(self._lane.name, self._after, below, SLICE)
        self._rows.extend(rows)
        if rows:
            self._after = rows[-1].position

    def _missing(self, planned: PlannedRow) -> Iterator[Wanted]:
        row, ledger = planned.row, self._run.ledger
        attempts = ledger.attempts_of(row.row_id)
        have = ledger.stored_images(row.row_id) if attempts else set()
        most = self._lane.provider.capabilities.images_per_request
        for part in missing_parts(row.row_id, row.request.n, have, attempts, most):
            yield Wanted(part, row, attempts)


async def feed(run: Run, lane: Lane) -> None:
    """Buy all that is chosen for a lane, until it is done or must stop.

    Raises:
        BudgetReached: the next part does not fit and nothing is in flight.
        UsageError: there is a budget, and no price.
        DiskFull: there is no room for one more image.
    """
    source = Feed(run, lane)
    while (wanted := await source.next()) is not None and lane.stopped is None:
        part, row = wanted.part, wanted.row
        if not await _is_to_be_bought(run, wanted):
            continue
        await _room(run, lane)
        reservation = _reservation(run, lane, part, row)
        await run.budget.reserve(reservation)
        if not await _may_leave(lane):
            run.budget.settle(reservation, 0)
            return
        lane.in_flight += 1
        is_probe = lane.breaker.probing = lane.breaker.is_open
        order = Order(
            lane=lane,
            part=part,
            stem=row.stem,
            request=row.request,
            model=model_of(run, lane, row),
            reservation=reservation,
            is_probe=is_probe,
        )
        start(run, order)
        run.lull.stir()


async def _may_leave(lane: Lane) -> bool:
    """Wait for the rate; False if the lane stopped first: nothing more is sent."""
    granted = False
    if lane.stopped is None:
        with anyio.CancelScope() as lane.leaving:
            await lane.departures.grant()
            granted = True
    if lane.stopped is not None and granted:
        lane.departures.stayed()
    return lane.stopped is None


def _reservation(run: Run, lane: Lane, part: Part, row: RowRecord) -> Reservation:
    group = (lane.name, resolution_of(lane, row))
    if run.budget.limit is not None and run.budget.ceiling(group) is None:
        raise UsageError(
            f"no price is known for {group[0]} at {group[1]}, so `max_cost` cannot "
            "hold; give one with --price, or in the job under [prices."
            f"{group[0]}]"
        )
    return Reservation(group=group, images=part.images)


def start(run: Run, order: Order) -> None:
    """Let one purchase run; the run is alive while it does."""

    async def live() -> None:
        try:
            await buy(run, order)
        finally:
            run.live -= 1
            run.wake()

    run.live += 1
    run.tasks.start_soon(live)


def resolution_of(lane: Lane, row: RowRecord) -> str:
    """Return the resolution that is bought: as asked, else the provider's default."""
    return row.request.resolution or lane.provider.capabilities.default_resolution


def model_of(run: Run, lane: Lane, row: RowRecord) -> str:
    """Return the model as the row, else the job, else the provider has it."""
    stated = row.request.model or run.job.terms_of(lane.name).model
    return stated or lane.provider.defaults.model


async def _is_to_be_bought(run: Run, wanted: Wanted) -> bool:
    row = wanted.row
    if row.status is not Status.PENDING:
        return False
    history = history_of(wanted.attempts, wanted.part, row.tries_from)
    decision = decide(history, run.policy)
    if isinstance(decision, Buy):
        return True
    if isinstance(decision, Settled):

        def step(ledger: Ledger) -> bool:
            if ledger.status(row.row_id) is not Status.PENDING:
                return False  # another part of the row came first
            ledger.settle(row.row_id, decision.status, decision.error, decision.message)
            return True

        if await run.writer.commit(step):
            run.progress.settle(decision.status)
        return False
    # Its provider had stopped in an earlier run: this run asks again.
    return True


def _image_bytes(run: Run) -> int:
    """Return the room to keep for one image: twice what they have in this run."""
    if run.progress.bought < SURE_OF_SIZE:
        return IMAGE_BYTES
    return 2 * run.progress.stored_bytes // run.progress.bought


async def _room(run: Run, lane: Lane) -> None:
    """Wait for a place in flight, and for room on the disk.

    Raises:
        DiskFull: nothing is in flight that could be stored, and nothing more fits.
    """
    while True:
        changed = run.changed
        is_crowded = run.live >= UNSTORED_FACTOR * lane.concurrency
        has_place = lane.in_flight < lane.concurrency and not lane.breaker.probing
        if has_place and not is_crowded:
            wanted = SPARE_BYTES + (run.live + 1) * _image_bytes(run)
            free = shutil.disk_usage(run.folder).free
            if free >= wanted:
                return
            if run.live == 0:
                raise DiskFull(
                    f"only {free >> 20} MB are free in {run.folder}, {wanted >> 20} MB "
                    "are needed to store the next image safely; free some space"
                )
        await changed.wait()
