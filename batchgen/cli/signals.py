"""Stop a run by signals: the first lets replies come in, the second ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from batchgen.cli.runfolder import this_command
from batchgen.cli.stop_words import stopped_now_line
from batchgen.cli.streams import write_notice
from batchgen.runner.remaining_work import count_open_attempts
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
                _tell_what_is_left(session)
                os._exit(128 + number)
            log.warning("signal", extra={"number": int(number)})
            handle.stop(number.name)


def _tell_what_is_left(session: Session) -> None:
    """Say what is left at risk as the process ends; nothing is waited for long."""
    ledger = session.folder.ledger
    left = count_open_attempts(ledger.path) if ledger.is_in_place() else None
    line = stopped_now_line(left, pretend=session.progress.rehearsed)
    write_notice(f"{line}. To carry on:\n  {this_command()}")


@contextmanager
def default_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end a question at once: the run's own handler only makes a note."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    # Nor must the event loop hear of it: a second one would end the process at once.
    loop_fd = signal.set_wakeup_fd(-1)
    try:
        yield
    finally:
        signal.set_wakeup_fd(loop_fd)
        signal.signal(signal.SIGINT, before)
