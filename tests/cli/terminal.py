"""A terminal with a person at it: a pty, what it shows, and keys that are pressed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cli.command import COMMAND, KEY, TIMEOUT_S, environment

CTRL_C = b"\x03"
PATIENCE_S = 1.0


class Terminal:
    """A command in a terminal; `shown` is all that the terminal ever received."""

    def __init__(
        self,
        words: Sequence[str],
        at: Path,
        columns: int,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._screen, inside = pty.openpty()
        size = struct.pack("HHHH", 40, columns, 0, 0)
        fcntl.ioctl(inside, termios.TIOCSWINSZ, size)
        self.process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=at,
            env={**environment(KEY), "TERM": "xterm-256color", **(variables or {})},
            stdin=inside,
            stdout=inside,
            stderr=inside,
            preexec_fn=_take_the_terminal,
        )
        os.close(inside)
        self._is_open = True
        self.shown = ""

    def wait_for(self, text: str) -> None:
        """Read until the terminal shows a text."""
        until = time.monotonic() + TIMEOUT_S
        while text not in self.shown:
            assert self._read(until), f"{text!r} never came: {self.shown!r}"

    def press(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    def press_until(self, keys: bytes, text: str) -> None:
        """Press keys, as a person does: again, when nothing seems to come of it.

        A signal that comes in the instant before Python waits for input is lost on it.
        """
        for _ in range(TIMEOUT_S):
            self.press(keys)
            until = time.monotonic() + PATIENCE_S
            while text not in self.shown and self._read(until):
                pass
            if text in self.shown:
                return
        raise AssertionError(f"{text!r} never came: {self.shown!r}")

    def close(self) -> None:
        """Close the terminal, as somebody does who closes its window."""
        if self._is_open:
            os.close(self._screen)
            self._is_open = False

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        until = time.monotonic() + TIMEOUT_S
        while self._is_open and self._read(until):
            pass
        code = self.process.wait(TIMEOUT_S)
        return 128 - code if code < 0 else code

    def _read(self, until: float) -> bool:
        wait_s = max(0.0, until - time.monotonic())
        if not select.select([self._screen], [], [], wait_s)[0]:
            return False
        try:
            piece = os.read(self._screen, 65536)
        except OSError:  # nobody holds the other end any more
            return False
        self.shown += piece.decode("utf-8", "replace")
        return bool(piece)


def _take_the_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # As for whoever logs in, whatever was ignored where the tests were started.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def terminal(
    *words: str,
    at: Path,
    columns: int = 100,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Start a command in a terminal.

    Args:
        words: The arguments.
        at: The folder.
        columns: Width of the terminal.
        variables: More of the environment.
    """
    new_terminal = Terminal(words, at, columns, variables)
    try:
        yield new_terminal
    finally:
        if new_terminal.process.poll() is None:
            new_terminal.process.kill()
            new_terminal.process.wait()
        new_terminal.close()
