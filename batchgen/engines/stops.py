"""Orderly stops: the first signal lets replies come in, the second ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import anyio

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
