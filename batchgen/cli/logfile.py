"""`run.log`: what happened when, one line for each event."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

_SPACE = re.compile(r"\s")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class EventFormatter(logging.Formatter):
    """Writes `time level event field=value ...`."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        super().__init__()
        self._clean = clean

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
            line += "\n" + self._clean(self.formatException(record.exc_info))
        return line.rstrip()


def _quoted(value: object) -> str:
    text = str(value)
    return repr(text) if not text or _SPACE.search(text) else text


@contextmanager
def log_to(path: Path, clean: Callable[[str], str]) -> Iterator[logging.Logger]:
    """Append the run's events to a file while the block lasts.

    Args:
        path: The file.
        clean: Takes keys out of the text of a crash, which is not ours.
    """
    logger = logging.getLogger("batchgen.run")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(EventFormatter(clean))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    # A full disk must not turn into a traceback for each line of the log.
    logging.raiseExceptions = False
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        # Its last lines may lack room: that is told by whoever stores something.
        with suppress(OSError):
            handler.close()
