"""Whether a ledger is older than its folder: a copy, or one whose own log was lost.

Each purchase is in the ledger, on disk, before `run.log` tells of it. Where the log
knows more, tasks that were accepted would be bought again.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from batchgen.errors import LedgerMissing, ledger_way_out
from batchgen.ledger import Ledger

_READ_BYTES = 1 << 20
"""Of the log's end: an event for each purchase stands there [assumed]."""

_EVENT = re.compile(
    rb"^\S{1,40}Z info +(?:sent attempt|started purchases)=(\d{1,12})(?= |$)",
    re.MULTILINE,
)
"""Where a run began, its ledger was perhaps a new one: then numbers begin anew."""


def refuse_older_than_log(ledger: Ledger, log: Path) -> None:
    """Refuse a ledger that lacks the last purchase of the log.

    Raises:
        LedgerMissing: it does; the text says how to go on.
    """
    newest = ledger.newest_attempt()
    logged = _last_purchase(log)
    if logged > newest:
        raise LedgerMissing(
            f"{log} tells of purchase {logged}, and the ledger (run.db) knows "
            f"{newest or 'none'}: it is an older copy, or run.db-wal beside it was "
            f"lost, or {log.name} is another run's and does not belong there; "
            f"{ledger_way_out(log.parent, moved=True)}"
        )


def _last_purchase(log: Path) -> int:
    """Return the number of the last purchase that the log tells of; 0 for none."""
    try:
        if not stat.S_ISREG(log.lstat().st_mode):
            return 0
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _READ_BYTES))
            end = file.read(_READ_BYTES)
    except OSError:
        return 0
    numbers = _EVENT.findall(end)
    return int(numbers[-1]) if numbers else 0
