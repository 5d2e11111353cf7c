"""What all steps of one run share."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from batchgen.admission.next_step import Part, Policy
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.reference_buffer import ReferenceBuffer
from batchgen.admission.row_changes import RowChange
from batchgen.budget import Budget, ColumnValue, Reservation
from batchgen.errors import BatchgenError, Incomplete
from batchgen.ledger import AttemptRecord, Reader
from batchgen.limits import Failures
from batchgen.model import (
    ImageRequest,
    Job,
    Price,
    PriceBook,
    PriceKey,
    Status,
)
from batchgen.notifier import Notifier

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from batchgen.admission.permit import Presence
    from batchgen.runner.progress import Progress
    from batchgen.storage.disk_room import DiskRoom
    from batchgen.storage.writer import Writer
    from batchgen.wire import Redactor
    from batchgen.wire.offload import Offload
    from batchgen.wire.sender import Wire

DOWNLOADS_AT_ONCE = 16

PriceOf = Callable[[PriceKey], Price | None]
"""Says what one image of a sale costs, None if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """The two clocks and the sleep between them.

    Attributes:
        monotonic: Seconds, for durations and deadlines.
        now: Microseconds UTC since 1970, for what is written down.
    """

    monotonic: Callable[[], float]
    now: Callable[[], int]


@dataclass(frozen=True, slots=True)
class RowRules:
    """What a commit reads to decide how a row goes on."""

    job: Job
    policy: Policy
    queues: Mapping[str, ProviderQueue]
    budget: Budget


@dataclass(slots=True, kw_only=True)
class Run:
    """One run: its parts, and what is going on in it.

    Attributes:
        planning: Whether rows may still be added to the plan.
        live: Attempts under way, downloads included.
        stopping: Whether a signal came: replies are awaited, tasks are left.
        cut_short_scopes: Of what a stop cuts short: polls, and waits for links.
        failures: How the last rows ended.
        fails_too_often: Whether so many of them failed that it is better to stop.
        gives_up: Whether nothing more is bought, because nearly every row fails.
        full_column_values: Budgets by column that kept rows from being bought.
        children_for_others: Rows that waited for another one, and whose provider has
            stopped.
        all_queues: Where attempts can be asked for, by provider and base URL.
        end: Ends the run by an error; what is in flight comes in.
    """

    job: Job
    folder: Path
    policy: Policy
    ledger: Reader
    writer: Writer
    wire: Wire
    budget: Budget
    queues: dict[str, ProviderQueue]
    prices: PriceBook
    progress: Progress
    redactor: Redactor
    time: Time
    rng: random.Random
    offload: Offload
    log: logging.Logger
    tasks: TaskGroup
    failures: Failures
    room: DiskRoom
    end: Callable[[BatchgenError], None]
    reference_buffer: ReferenceBuffer = field(default_factory=ReferenceBuffer)
    downloads: anyio.CapacityLimiter = field(
        default_factory=lambda: anyio.CapacityLimiter(DOWNLOADS_AT_ONCE)
    )
    planning: bool = True
    live: int = 0
    stopping: bool = False
    fails_too_often: bool = False
    gives_up: bool = False
    full_column_values: set[ColumnValue] = field(default_factory=set)
    all_queues: dict[tuple[str, str], ProviderQueue] = field(default_factory=dict)
    children_for_others: int = 0
    cut_short_scopes: set[anyio.CancelScope] = field(default_factory=set)
    changed: Notifier = field(default_factory=Notifier)

    @property
    def rules(self) -> RowRules:
        """What decides how a row goes on."""
        return RowRules(self.job, self.policy, self.queues, self.budget)

    @contextmanager
    def cut_short(self) -> Iterator[anyio.CancelScope]:
        """Let a stop end what waits within."""
        with anyio.CancelScope() as scope:
            self.cut_short_scopes.add(scope)
            if self.stopping:
                scope.cancel()
            try:
                yield scope
            finally:
                self.cut_short_scopes.discard(scope)

    async def pause(self, seconds: float) -> None:
        """Wait in work that costs nothing, unless the run stops.

        Raises:
            Incomplete: the run stops; a later run goes on.
        """
        with self.cut_short():
            await anyio.sleep(seconds)
            return
        raise stopped()

    def stop(self) -> None:
        """Leave tasks to the next run; replies are awaited."""
        self.stopping = True
        for scope in list(self.cut_short_scopes):
            scope.cancel()
        self.wake()

    def wake(self) -> None:
        """Wake all tasks that wait for a change."""
        self.changed.notify_all()

    def record(self, change: RowChange | None) -> None:
        """Count what a purchase changed, once that is on disk."""
        if change is None:
            return
        self.progress.count_status(change.now, change.was, change.rows)
        if change.now is Status.SUCCEEDED or change.is_own_fault:
            self.failures.record_end(well=change.now is Status.SUCCEEDED)
            self.fails_too_often = self.failures.are_too_many

    def rows_waiting(self) -> int | None:
        """Return how many rows are not at their end; None while that is not known."""
        return None if self.planning else self.progress.rows[Status.PENDING]

    def give_up(self) -> None:
        """Let nothing more be bought."""
        self.gives_up = True
        for queue in self.queues.values():
            queue.end_rate_wait()
        self.wake()

    def release(self, reservation: Reservation) -> None:
        """Give back what was reserved for something that did not leave."""
        self._settle(reservation, 0)
        self.wake()

    def spent(
        self,
        reservation: Reservation,
        nano: int,
        *,
        at_risk: bool = False,
        uncertain: int = 0,
    ) -> None:
        """Commit what a reservation became.

        Args:
            reservation: What was held.
            nano: What it cost, or puts at risk.
            at_risk: Whether that is at risk, not spent.
            uncertain: What it may cost beyond that.
        """
        self._settle(reservation, nano + uncertain)
        self.progress.at_risk += uncertain
        if at_risk:
            self.progress.at_risk += nano
        else:
            self.progress.spent += nano

    def _settle(self, reservation: Reservation, nano: int) -> None:
        if reservation.is_settled:
            # A fault came behind its charge: what is added counts, and frees nothing.
            self.budget.commit(nano, *reservation.scopes)
            return
        reservation.is_settled = True
        self.budget.settle(reservation, nano)


def stopped() -> Incomplete:
    """Return the error with which a stopping run leaves an image to a later run."""
    return Incomplete("the run", "stopped while the image was waited for")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptContext:
    """One attempt under way.

    Attributes:
        queue: Where it was sent; not always one of the chosen (after a restart).
        started: When it was sent, in monotonic seconds; None after a restart.
        task_id: The task that the provider named, once it did.
        planned: The provider that is chosen for its row now; None if the manifest
            does not hold the row any more.
        uploads: Links of ours that its request named; None after a restart.
        presence: What it holds; None for an attempt that is asked for in passing.
    """

    queue: ProviderQueue
    part: Part
    base_name: str
    request: ImageRequest
    attempt: AttemptRecord
    reservation: Reservation
    planned: str | None
    started: float | None = None
    task_id: str | None = None
    uploads: tuple[str, ...] | None = None
    presence: Presence | None = None

    def free_slot(self) -> None:
        """Let another purchase have its slot."""
        if self.presence is not None:
            self.presence.free_slot()
