"""Write `run.log`: one line for each event."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from batchgen.addresses.characters import visible
from batchgen.drives import reason_of

_SPACE = re.compile(r"\s")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class EventFormatter(logging.Formatter):
    """Formats records as `time level event field=value ...`."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        extra = " ".join(
            f"{name}={_quoted(value)}"
            for name, value in vars(record).items()
            if name not in _STANDARD and value is not None
        )
        stamp = moment.isoformat(timespec="milliseconds").removesuffix("+00:00")
        line = f"{stamp}Z {record.levelname.lower():7} {record.getMessage()} {extra}"
        if record.exc_info:
            trace = self._redact(self.formatException(record.exc_info))
            line += "\n" + visible(trace)
        return line.rstrip()


def _quoted(value: object) -> str:
    text = str(value)
    # A reader would take a quotation mark at the start for a delimiter.
    has_quote = text.startswith(("'", '"'))
    is_plain = text.isprintable() and not _SPACE.search(text) and not has_quote
    shown = text if text and is_plain else repr(text)
    return shown if shown.isascii() else visible(shown)


class EventHandler(logging.FileHandler):
    """Appends events to a file; the first failure is reported, and the run goes on."""

    def __init__(self, path: Path, notify: Callable[[str], None]) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self._path = path
        self._notify = notify
        self._has_failed = False

    def open_now(self) -> None:
        """Open the file before descriptors are scarce; `emit` may try again."""
        try:
            self.stream = self._open()
        except OSError as error:
            self._fail(error)

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream is None:
            self.open_now()
        if self.stream is not None:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's
        error = sys.exception()
        # For any other error logging would print a traceback on the terminal.
        if isinstance(error, OSError):
            self._fail(error)

    def close(self) -> None:
        # Buffered text that could not be written fails again; once is enough to know.
        with suppress(OSError):
            super().close()

    def _fail(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._notify(
                f"cannot write {self._path}: {reason_of(error)}; events of this run "
                "are missing there, and nothing else is"
            )


@contextmanager
def log_to(
    path: Path, redact: Callable[[str], str], notify: Callable[[str], None]
) -> Iterator[logging.Logger]:
    """Append the run's events to a file while the block lasts.

    A log that cannot be written does not end the run: what counts is in the ledger.

    Args:
        path: The file.
        redact: Removes keys from tracebacks.
        notify: Called once with a message, if the file cannot be written.
    """
    # Not from `getLogger`: runs in one process share nothing, and a program that
    # imports batchgen keeps its own configuration of logging.
    logger = logging.Logger("batchgen.run", logging.INFO)
    handler = EventHandler(path, notify)
    handler.setFormatter(EventFormatter(redact))
    handler.open_now()
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        # If the disk is full, the writer reports that.
        with suppress(OSError):
            handler.close()
