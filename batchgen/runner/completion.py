"""Complete a run: write its outputs, and the last line of its log."""

from __future__ import annotations

import logging

import anyio

from batchgen.errors import DiskFull, StorageError
from batchgen.ledger import Reader, Totals
from batchgen.ledger.resuming import bookmark_of
from batchgen.runner.config import CutReading, RunConfig, RunResult
from batchgen.runner.folder import RunFolder

FEW_ROWS = 20_000
"""Writing a table with this many rows takes about a second."""


def cut_reading(ledger: Reader) -> CutReading:
    """Return how far the reading of the manifest came before a stop ended it."""
    bookmark = bookmark_of(ledger)
    is_current = bookmark is not None and bookmark.generation == ledger.generation
    return CutReading(
        bookmark.rows if bookmark else 0, counts=not ledger.generation or is_current
    )


async def write_outputs_at_end(
    folder: RunFolder, config: RunConfig, result: RunResult
) -> None:
    """Write the ZIP's directory and the tables, unless they are up to date.

    Raises:
        StorageError: they cannot be written, and the run has no `DiskFull` to report.
    """
    # Imported here: pyarrow need not load before the first request is sent.
    from batchgen.storage.outputs import are_fresh, write_outputs

    ledger, archive = folder.ledger, folder.archive
    cut = result.cut
    if cut is not None and not ledger.generation:
        return  # no row is in the plan, so there is nothing to write
    # After a stop the user wants the command to end. Of rows that were not bought the
    # table only repeats the manifest, and for a large one that takes half a minute.
    min_rows = FEW_ROWS if cut is not None and cut.counts else None
    try:
        if are_fresh(ledger, archive, folder.path):
            return
        with anyio.CancelScope(shield=True):
            result.rows_in_table = await config.offload(
                lambda: write_outputs(ledger, archive, folder.path, min_rows)
            )
    except StorageError:
        if not isinstance(result.error, DiskFull):
            raise
        config.progress.notice(
            "there was no room for the ZIP's directory and the tables either; the next "
            "run writes them, and so does `batchgen report`"
        )


def log_end(log: logging.Logger, totals: Totals) -> None:
    """Log the rows by status, and the money."""
    rows = {status.value: count for status, count in totals.rows.items()}
    money = {
        "spent_nano": totals.spent,
        "retired_nano": totals.superseded,
        "at_risk_nano": totals.at_risk,
    }
    log.info("ended", extra={**rows, **money, "rehearsed": totals.rehearsed or None})
