"""How a run ends: its outputs, and the last line of its log."""

from __future__ import annotations

import logging

import anyio

from batchgen.errors import DiskFull, StorageError
from batchgen.ledger import Reader, Totals
from batchgen.ledger.resuming import bookmark_of
from batchgen.runner.config import CutReading, RunConfig, RunResult
from batchgen.runner.folder import RunFolder

FEW_ROWS = 20_000
"""A table of so many rows is written in about a second."""


def cut_reading(ledger: Reader) -> CutReading:
    """Return how far a reading of the manifest came that a signal has ended."""
    bookmark = bookmark_of(ledger)
    if bookmark is None:
        return CutReading(0, counts=not ledger.generation)
    is_first = not ledger.generation
    counts = is_first or bookmark.generation == ledger.generation
    return CutReading(bookmark.rows, counts=counts)


async def write_outputs_at_end(
    folder: RunFolder, config: RunConfig, result: RunResult
) -> None:
    """Write ZIP and tables, unless they stand already.

    Raises:
        StorageError: they cannot be written, and nobody was told yet why.
    """
    # Only here: pyarrow loads when the rows are done, not before the first is sent.
    from batchgen.storage.outputs import are_fresh, write_outputs

    ledger, archive = folder.ledger, folder.archive
    cut = result.cut
    if cut is not None and not ledger.generation:
        return  # nothing is read, so there is nothing to write
    # Whoever stops the reading of a large manifest wants it to end, and of rows that
    # nobody bought the table says, in half a minute, what the manifest says.
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
    """Write down rows by status, and the money."""
    rows = {status.value: count for status, count in totals.rows.items()}
    money = {
        "spent": totals.spent,
        "retired": totals.superseded,
        "at_risk": totals.at_risk,
    }
    amounts = {f"{name}_nano": nano for name, nano in money.items()}
    mark = {"rehearsed": totals.rehearsed or None}
    log.info("ended", extra={**rows, **amounts, **mark})
