"""Standard input, output and error, also where they are closed or full.

Whoever reads our output may go away, or may never have been there. What is bought and
stored does not depend on that, so no command fails for it.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from batchgen.addresses.characters import visible

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class PatientFile(io.FileIO):
    """A file whose writes always succeed; what cannot be written is dropped.

    Attributes:
        problem: The last reason for which something was dropped.
    """

    problem: OSError | None = None

    def write(self, data: object) -> int:
        """Write, or drop what cannot be written."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BlockingIOError:
            raise
        except OSError as error:
            self.problem = error
            return len(memoryview(data))  # type: ignore[arg-type]


def prepare_streams() -> None:
    """Open closed streams, and make output streams whose writes never fail."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Else the ledger or the ZIP would get this number, and messages with it.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    if sys.stdout is sys.__stdout__:
        sys.stdout = _patient(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _patient(2, sys.stderr)


def finish_output() -> str | None:
    """Flush the output.

    Returns:
        Why a part of the output is missing; None where it is whole, or where nobody
        was there to read it.
    """
    try:
        stream = unescaped(sys.stdout)
        stream.flush()
        raw = getattr(stream.buffer, "raw", None)
    except (OSError, ValueError, AttributeError):
        return None
    problem = raw.problem if isinstance(raw, PatientFile) else None
    if problem is None or problem.errno not in _DISK_FULL:
        return None
    return f"the output is not complete: {problem.strerror}"


def _patient(descriptor: int, stream: TextIO | None) -> TextIO:
    """Return a stream that writes to a descriptor and never fails.

    Args:
        descriptor: Of what it writes to.
        stream: The one that Python made; None where that was closed.
    """
    raw = PatientFile(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding if stream else "utf-8",
        # A file name may hold bytes that are no text.
        errors="backslashreplace",
        line_buffering=descriptor == 2 or raw.isatty(),
    )


class EscapingStream:
    """A text stream that writes control characters as visible text.

    Cells, file names, messages of providers and run folders come from others. An escape
    sequence in them could rename the window, fill the clipboard, or hide what a command
    does.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        if not isinstance(text, str):  # so that click takes it for a text stream
            raise TypeError(f"text is written here, not {type(text).__name__}")
        visible_text = visible(text)
        try:
            self._stream.write(visible_text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            escaped = visible_text.encode(encoding, "backslashreplace")
            self._stream.write(escaped.decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "_stream"):  # all writing goes through this class
            raise AttributeError(name)
        return getattr(self._stream, name)


def escape_output() -> None:
    """Escape control characters in stdout and stderr from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, EscapingStream):
            setattr(sys, name, EscapingStream(stream))


def unescaped(stream: TextIO) -> TextIO:
    """Return the stream below, for drawing: texts must be `visible` ones."""
    return stream._stream if isinstance(stream, EscapingStream) else stream  # noqa: SLF001 - ours
