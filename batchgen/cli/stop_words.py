"""What a person reads when a run is stopped from outside."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping

from batchgen.cli.formatting import counted, still_being_made
from batchgen.ledger import OpenAttempts
from batchgen.model import State, dollars
from batchgen.runner.progress import Stop

_STOPPED: Mapping[str, str] = {
    "SIGINT": "stopped by Ctrl-C",
    "SIGTERM": "stopped by a request to end (SIGTERM)",
    "SIGHUP": "stopped because the terminal was closed",
}


def stopping_line(stop: Stop) -> str:
    """Say what is waited for, and what happens if nobody waits."""
    if not stop.requests and stop.tasks:
        return f"stopping: {still_being_made(stop.tasks)}"
    if not stop.requests:
        return "stopping: no request waits for an answer"
    requests = f"{counted(stop.requests, 'request')} already sent"
    verb = "is" if stop.requests == 1 else "are"
    which = "that one" if stop.requests == 1 else "those"
    if not stop.grace_s:
        return (
            f"stopping: not waiting for {requests}; whether {which} {verb} charged "
            "is unknown"
        )
    key = "Ctrl-C again" if stop.reason == "SIGINT" else "Ctrl-C"
    return (
        f"stopping: waiting up to {stop.grace_s:g} s for {requests}. {key} stops now; "
        f"whether {which} {verb} charged is then unknown"
    )


def exit_code(name: str) -> int:
    """Return the exit code of a stop by the signal of this name."""
    return 128 + signal.Signals[name]


def stopped_line(reason: str) -> str:
    """Say why a run ended in order."""
    return f"{_STOPPED[reason]}; everything paid for is kept"


def stopped_now_line(
    open_attempts: Mapping[State, OpenAttempts] | None, *, pretend: bool
) -> str:
    """Say what a run leaves that ends at once.

    Args:
        open_attempts: Attempts that have not ended yet; None where nobody can say.
        pretend: Whether the money is a rehearsal's.
    """
    if open_attempts is None:
        return (
            "stopped now; what is in the ledger is kept. Requests without an answer "
            "may be charged"
        )
    return ". ".join(["stopped now", *_left(open_attempts, pretend=pretend)])


def _left(
    open_attempts: Mapping[State, OpenAttempts], *, pretend: bool
) -> Iterator[str]:
    if (unanswered := open_attempts.get(State.SENT)) is not None:
        risk = f"{dollars(unanswered.ceiling, pretend=pretend)} at risk"
        if unanswered.unpriced:
            risk += (
                f", and {counted(unanswered.unpriced, 'request')} without a known price"
            )
        requests = counted(unanswered.attempts, "request")
        yield f"{requests} had no answer yet and may be charged ({risk})"
    if (tasks := open_attempts.get(State.ACCEPTED)) is not None:
        yield still_being_made(tasks.attempts)
    if (delivered := open_attempts.get(State.DELIVERED)) is not None:
        images = counted(delivered.attempts, "purchase")
        yield f"The next run downloads the images of {images}"
    if State.SENT not in open_attempts:
        yield "Everything paid for is kept"
