"""Stop a run by signals: the first waits for replies, the second ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from batchgen.cli.carry_on import current_command
from batchgen.cli.formatting import counted, either, still_being_made
from batchgen.cli.messages import write_notice
from batchgen.ledger import OpenAttempts
from batchgen.model import State, dollars
from batchgen.runner.progress import Stop, count_open_attempts

if TYPE_CHECKING:
    from batchgen.runner.session import Session

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def watch_signals(
    session: Session,
    *,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Stop a run at the first signal; end the process at the next.

    A signal that whoever started us ignores (nohup) stays ignored.
    """
    numbers = [name for name in SIGNALS if signal.getsignal(name) is not signal.SIG_IGN]
    handle, log = session.config.handle, session.config.log
    with anyio.open_signal_receiver(*numbers) as signals:
        task_status.started()
        async for number in signals:
            if handle.reason is not None:
                _show_open_attempts(session)
                os._exit(128 + number)
            log.warning("signal", extra={"number": int(number)})
            handle.stop(number.name)


def _show_open_attempts(session: Session) -> None:
    """Write what is at risk as the process ends, without long waits."""
    ledger = session.folder.ledger
    open_now = count_open_attempts(ledger.path) if ledger.is_in_place() else None
    line = stopped_now_line(open_now, pretend=session.progress.rehearsed)
    write_notice(f"{line}. To carry on:\n  {current_command()}")


@contextmanager
def default_ctrl_c() -> Iterator[None]:
    """Make Ctrl-C end a question at once: the run's own handler only notes it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    # The event loop must not see it either: the next one would end the process.
    loop_fd = signal.set_wakeup_fd(-1)
    try:
        yield
    finally:
        signal.set_wakeup_fd(loop_fd)
        signal.signal(signal.SIGINT, before)


_STOPPED: Mapping[str, str] = {
    "SIGINT": "stopped by Ctrl-C",
    "SIGTERM": "stopped by a request to end (SIGTERM)",
    "SIGHUP": "stopped because the terminal was closed",
}


def stopping_line(stop: Stop) -> str:
    """Say which replies the run waits for, and what a second Ctrl-C does."""
    if not stop.requests and stop.tasks:
        return f"stopping: {still_being_made(stop.tasks)}"
    if not stop.requests:
        return "stopping: no request waits for an answer"
    requests = f"{counted(stop.requests, 'request')} already sent"
    those_are = either(stop.requests, "that one is", "those are")
    if not stop.grace_s:
        doubt = f"whether {those_are} charged is unknown"
        return f"stopping: not waiting for {requests}; {doubt}"
    key = "Ctrl-C again" if stop.reason == "SIGINT" else "Ctrl-C"
    return (
        f"stopping: waiting up to {stop.grace_s:g} s for {requests}. {key} stops now; "
        f"whether {those_are} charged is then unknown"
    )


def exit_code(name: str) -> int:
    """Return the exit code of a stop by the signal of this name."""
    return 128 + signal.Signals[name]


def stopped_line(reason: str) -> str:
    """Say why a run was stopped."""
    return f"{_STOPPED[reason]}; everything paid for is kept"


def stopped_now_line(
    open_attempts: Mapping[State, OpenAttempts] | None, *, pretend: bool
) -> str:
    """Say what an immediate end leaves open.

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
