"""`run.log`: what happened when, one line for each event."""

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
    """Writes `time level event field=value ...`."""

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
            line += "\n" + self._redact(self.formatException(record.exc_info))
        return visible(line.rstrip())


def _quoted(value: object) -> str:
    text = str(value)
    is_plain = text.isprintable() and not _SPACE.search(text)
    is_plain = is_plain and text[:1] not in (
        "'",
        '"',
    )  # whoever reads it would take it off
    return text if text and is_plain else repr(text)


class EventHandler(logging.FileHandler):
    """Appends events to a file; where that fails, it says so once and goes on."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self._path = path
        self._tell = tell
        self._has_failed = False

    def open_now(self) -> None:
        """Open the file while descriptors are left; `emit` tries again if it fails."""
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
        # Any other fault in a line must not turn into a traceback on the terminal.
        if isinstance(error, OSError):
            self._fail(error)

    def close(self) -> None:
        # What is still held fails once more; nobody needs to hear of it again.
        with suppress(OSError):
            super().close()

    def _fail(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._tell(
                f"cannot write {self._path}: {reason_of(error)}; events of this run "
                "are missing there, and nothing else is"
            )


@contextmanager
def log_to(
    path: Path, redact: Callable[[str], str], tell: Callable[[str], None]
) -> Iterator[logging.Logger]:
    """Append the run's events to a file while the block lasts.

    A file that cannot be written does not end the run: it is about what happened, and
    the ledger is what counts.

    Args:
        path: The file.
        redact: Takes keys out of the text of a crash, which is not ours.
        tell: Told once, where the file cannot be written.
    """
    # One of its own: runs in one process share nothing, and whoever imports batchgen
    # keeps their logging as they configured it.
    logger = logging.Logger("batchgen.run", logging.INFO)
    handler = EventHandler(path, tell)
    handler.setFormatter(EventFormatter(redact))
    handler.open_now()
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        # Its last lines may lack room: that is told by whoever stores something.
        with suppress(OSError):
            handler.close()
