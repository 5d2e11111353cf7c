"""Write a line to stdout or stderr, whether or not anybody is left to read it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def write_error(text: str) -> None:
    """Write a line to stderr, if there still is anybody to read it."""
    _write(sys.stderr, text)


def write_result(text: str) -> None:
    """Write a line to stdout, if there still is anybody to read it."""
    _write(sys.stdout, text)


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError):
        # The terminal or the reader is gone, and the run goes on without. What is left
        # in the buffer would fail once more at the end, and change the exit code.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
