"""How a run ends: its outputs, and the last line of its log."""

from __future__ import annotations

import logging

import anyio

from batchgen.engines.folder import RunFolder
from batchgen.engines.setting import Outcome, Setting
from batchgen.errors import DiskFull, StorageError
from batchgen.ledger import Totals


async def write_outputs_at_end(
    folder: RunFolder, setting: Setting, outcome: Outcome
) -> None:
    """Write ZIP and tables, unless they stand already.

    Raises:
        StorageError: they cannot be written, and nobody was told yet why.
    """
    # Only here: pyarrow loads when the rows are done, not before the first is sent.
    from batchgen.runner.outputs import are_fresh, write_outputs

    ledger, archive = folder.ledger, folder.archive
    try:
        if are_fresh(ledger, archive, folder.path):
            return
        with anyio.CancelScope(shield=True):
            await setting.offload(lambda: write_outputs(ledger, archive, folder.path))
    except StorageError:
        if not isinstance(outcome.error, DiskFull):
            raise
        setting.progress.notice(
            "there was no room for the ZIP's directory and the tables either; the next "
            "run writes them, and so does `batchgen report`"
        )


def log_end(log: logging.Logger, totals: Totals) -> None:
    """Write down rows by status, and the money."""
    rows = {status.value: count for status, count in totals.rows.items()}
    money = {
        "spent": totals.spent,
        "retired": totals.retired,
        "at_risk": totals.at_risk,
    }
    amounts = {f"{name}_nano": nano for name, nano in money.items()}
    mark = {"rehearsed": totals.rehearsed or None}
    log.info("ended", extra={**rows, **amounts, **mark})
