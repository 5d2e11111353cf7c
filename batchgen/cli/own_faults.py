"""The message for an unexpected exception."""

from __future__ import annotations

import os
import tempfile
import traceback

from batchgen.errors import StorageError
from batchgen.ledger.database import check_last_opened
from batchgen.runner.credentials import without_keys

MAX_CHARACTERS = 200


def fault_message(fault: Exception) -> str:
    """Return one message about an unexpected exception.

    If a run folder was read, its damage is the likely cause.
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
    """Write the traceback to a file; return the part of the message that names it."""
    lines = "".join(traceback.format_exception(fault))
    try:
        descriptor, path = tempfile.mkstemp(prefix="batchgen-fault-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(without_keys(lines))
    except OSError:
        return ""
    return f" with {path}, which has the details"
