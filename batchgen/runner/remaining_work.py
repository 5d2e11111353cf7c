"""Count what a run still has open when it is stopped."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from pathlib import Path

from batchgen.errors import StorageError
from batchgen.ledger import Ledger, OpenAttempts, Reader
from batchgen.model import State
from batchgen.runner.progress import Stop

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
