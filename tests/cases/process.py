"""Run the command as a process of its own, to be looked at and stopped on its way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cases.judge import PATIENCE, Customer

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Process:
    """A run on its way."""

    customer: Customer
    popen: subprocess.Popen[bytes]

    @property
    def terminal(self) -> str:
        """Return what the run has printed so far."""
        return (self.customer.folder / "terminal.txt").read_text("utf-8", "replace")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something has come about outside."""
        end_s = time.monotonic() + 30 * PATIENCE
        while not condition():
            assert time.monotonic() < end_s, f"it did not come to that: {self.terminal}"
            code = self.popen.poll()
            assert code is None, f"the run ended with {code}: {self.terminal}"
            time.sleep(0.02)

    def interrupt(self) -> None:
        """Stop it as Ctrl-C does, and wait for its end."""
        self.popen.send_signal(signal.SIGINT)
        code = self.popen.wait(timeout=30 * PATIENCE)
        assert code == INTERRUPTED, self.terminal


@contextmanager
def start(customer: Customer, *options: str) -> Iterator[Process]:
    """Run until the block ends, at most."""
    command = [sys.executable, "-m", "batchgen", *customer.command(*options)]
    with (customer.folder / "terminal.txt").open("wb") as terminal:
        popen = subprocess.Popen(
            command,
            cwd=customer.folder,
            env=customer.environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        )
    try:
        yield Process(customer, popen)
    finally:
        popen.kill()
        popen.wait()
