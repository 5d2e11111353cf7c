"""What a run that is stopped leaves open."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from pathlib import Path

from batchgen.errors import StorageError
from batchgen.ledger import Ledger, OpenAttempts, Reader
from batchgen.model import State
from batchgen.runner.progress import Stop

LOOK_S = 1.0
"""A run that is stopped looks into its ledger for no longer than this [assumed]."""


def count_open_attempts(path: Path) -> dict[State, OpenAttempts] | None:
    """Return which attempts have not come to their end; None if that takes too long.

    Whoever stops a run wants it to end: the disk may be what hangs.

    Args:
        path: The ledger, which may be written meanwhile.
    """
    answers: list[dict[State, OpenAttempts]] = []

    def look() -> None:
        if not path.is_file():
            return  # it vanished: to open it would make another one
        with suppress(StorageError), closing(Reader(path)) as ledger:
            answers.append(ledger.open_attempts_by_state())

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(LOOK_S)
    return answers[0] if answers else None


def stop_of(ledger: Ledger, reason: str, grace_s: float) -> Stop:
    """Return what a stop has to wait for, as far as the ledger can say it now."""
    left = (count_open_attempts(ledger.path) if ledger.is_in_place() else None) or {}
    counts = {state: some.attempts for state, some in left.items()}
    return Stop(
        reason,
        requests=counts.get(State.SENT, 0),
        grace_s=grace_s,
        tasks=counts.get(State.ACCEPTED, 0),
    )
