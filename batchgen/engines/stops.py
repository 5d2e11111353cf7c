"""Orderly stops: the first signal lets replies come in, the second ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import anyio

from batchgen.errors import StorageError
from batchgen.ledger import OpenAttempts, Reader
from batchgen.model import State

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

LOOK_S = 1.0
"""A run that is stopped looks into its ledger for no longer than this [assumed]."""


def exit_code(number: int) -> int:
    """Return the exit code of a stop by this signal."""
    return 128 + number


async def watch_signals(
    first: Callable[[signal.Signals], None],
    second: Callable[[signal.Signals], None],
    *,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Call `first` at the first signal, `second` at the next, and then end at once.

    A signal that whoever started us ignores (nohup) stays ignored.
    """
    heeded = [it for it in SIGNALS if signal.getsignal(it) is not signal.SIG_IGN]
    stopped = False
    with anyio.open_signal_receiver(*heeded) as received:
        task_status.started()
        async for number in received:
            if stopped:
                second(number)
                os._exit(exit_code(number))
            stopped = True
            first(number)


def open_attempts(path: Path) -> dict[State, OpenAttempts] | None:
    """Return which attempts have not come to their end; None if that takes too long.

    Whoever stops a run wants it to end: the disk may be what hangs.

    Args:
        path: The ledger, which may be written meanwhile.
    """
    found: list[dict[State, OpenAttempts]] = []

    def look() -> None:
        if not path.is_file():
            return  # it vanished: to open it would make another one
        with suppress(StorageError), closing(Reader(path)) as ledger:
            found.append(ledger.open_by_state())

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(LOOK_S)
    return found[0] if found else None
