"""What a run has done so far, and what it waits for, for displays."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.budget import Scope
from batchgen.errors import StorageError
from batchgen.ledger import Ledger, OpenAttempts, Reader
from batchgen.model import State, Status

if TYPE_CHECKING:
    from batchgen.admission.provider_queue import ProviderQueue

MIN_PAUSE_S = 5.0
"""Shorter pauses are normal and not shown."""


@dataclass(frozen=True, slots=True)
class Stop:
    """An orderly stop that was requested from outside.

    Attributes:
        reason: Such as a signal's name.
        requests: Purchases that were sent and have no reply yet.
        grace_s: For how long the run waits for these replies.
        tasks: Accepted tasks, which are left to the next run.
    """

    reason: str
    requests: int
    grace_s: float
    tasks: int = 0


@dataclass(slots=True)
class Progress:
    """Counters of one run; the runner writes them, a display reads them.

    Attributes:
        total: Rows in scope; grows while the manifest is being read.
        planned: Whether the manifest is read to its end.
        rows: Rows in scope by status, those of earlier runs included.
        stored_images: Images that this run stored.
        spent: Nano-dollars of the whole folder, and so is `at_risk`.
        in_flight: Returns the number of purchases between SENT and DELIVERED.
        superseded: The part of `spent` for rows that the manifest no longer has.
        rehearsed: Whether the run is a rehearsal, which spends no real money.
        budgets: Returns a text for each budget of the day and of a column's values.
        stop: Set before the phase is `stopping`.
        budget_levels: Returns the same as data: scope, limit, and amount counted.
        wait_reasons: Returns what the run waits for now, in words that follow `left`.
        outages: Returns for each provider that does not answer for how many seconds.
        notice: Called with a sentence that the user should read now.
    """

    total: int = 0
    planned: bool = False
    rows: Counter[Status] = field(default_factory=Counter)
    stored_images: int = 0
    spent: int = 0
    superseded: int = 0
    at_risk: int = 0
    rehearsed: bool = False
    phase: str = "starting"
    in_flight: Callable[[], int] = lambda: 0
    budgets: Callable[[], list[str]] = list
    budget_levels: Callable[[], list[tuple[Scope, int, int]]] = list
    wait_reasons: Callable[[], list[str]] = list
    outages: Callable[[], dict[str, float]] = dict
    past_notices: set[str] = field(default_factory=set)
    stored_bytes: int = 0
    stop: Stop | None = None
    notice: Callable[[str], None] = lambda _: None

    def notify_once(self, text: str) -> None:
        """Show the user a notice, but only the first time."""
        if text not in self.past_notices:
            self.past_notices.add(text)
            self.notice(text)

    def count_status(
        self, status: Status, was: Status = Status.PENDING, rows: int = 1
    ) -> None:
        """Count the new status of a row, and of rows that share its purchase."""
        self.rows[status] += rows
        self.rows[was] -= rows


def wait_reasons(queues: Iterable[ProviderQueue]) -> list[str]:
    """Return why a run is slower than it could be, in the order of the queues."""
    return [reason for queue in queues for reason in _reasons(queue)]


def _reasons(queue: ProviderQueue) -> Iterator[str]:
    if queue.stopped is not None:
        yield f"{queue.name} stopped"
    elif queue.breaker.is_open:
        yield f"{queue.name} does not answer"
    elif (pause_s := queue.rate_limiter.pause_left_s()) >= MIN_PAUSE_S:
        yield f"{queue.name} lets nothing through for {pause_s:.0f} s"
    for host in queue.link_hosts.waited_for():
        noun = "purchase" if host.waiting == 1 else "purchases"
        yield f"waiting for images of {host.waiting} {noun} at {host.name}"


def outages_of(queues: Iterable[ProviderQueue]) -> dict[str, float]:
    """Return for each provider that does not answer for how many seconds."""
    return {
        queue.name: queue.breaker.age_s
        for queue in queues
        if queue.stopped is None and queue.breaker.is_open
    }


TIMEOUT_S = 1.0
"""Longest time for the query when a run is stopped [assumed]."""


def count_open_attempts(path: Path) -> dict[State, OpenAttempts] | None:
    """Return the open attempts by state; None if that takes too long.

    A stop must not wait for the disk, which may be the reason for the stop.

    Args:
        path: The ledger; a run may be writing to it.
    """
    results: list[dict[State, OpenAttempts]] = []

    def query() -> None:
        if not path.is_file():
            return  # opening a missing ledger would create one
        with suppress(StorageError), closing(Reader(path)) as ledger:
            results.append(ledger.open_attempts_by_state())

    thread = threading.Thread(target=query, daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    return results[0] if results else None


def stop_of(ledger: Ledger, reason: str, grace_s: float) -> Stop:
    """Return what a stop waits for, as far as the ledger can be read in time."""
    by_state = count_open_attempts(ledger.path) if ledger.is_in_place() else None
    counts = {state: each.attempts for state, each in (by_state or {}).items()}
    return Stop(
        reason,
        requests=counts.get(State.SENT, 0),
        grace_s=grace_s,
        tasks=counts.get(State.ACCEPTED, 0),
    )
