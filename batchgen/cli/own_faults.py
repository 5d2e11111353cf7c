"""What is said where batchgen itself does not know what went wrong."""

from __future__ import annotations

import os
import tempfile
import traceback

from batchgen.errors import StorageError
from batchgen.ledger.database import check_last_opened
from batchgen.runner.credentials import without_keys

MAX_CHARACTERS = 200


def fault_message(fault: Exception) -> str:
    """Return one message about a fault that nobody foresaw.

    A run folder that others changed is the likely cause where one was read.
    """
    try:
        ledger = check_last_opened()
    except StorageError as damage:
        return str(damage)
    reason = " ".join(f"{type(fault).__name__}: {fault}".split())[:MAX_CHARACTERS]
    details = _write_details(fault)
    report = f"else this is a fault of batchgen: please report it{details}"
    if ledger is not None:
        return (
            f"batchgen cannot make sense of what {ledger.parent} holds ({reason}). If "
            "other hands changed the folder, restore it from a copy, or name another "
            f"--out; {report}"
        )
    return f"a fault of batchgen itself ({reason}); please report it{details}"


def _write_details(fault: Exception) -> str:
    """Write down where it happened; return words that say where, or none."""
    lines = "".join(traceback.format_exception(fault))
    try:
        descriptor, path = tempfile.mkstemp(prefix="batchgen-fault-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(without_keys(lines))
    except OSError:
        return ""
    return f" with {path}, which has the details"
