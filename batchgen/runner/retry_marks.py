"""Mark rows of a run folder to be tried again, or to get other images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from batchgen.errors import UsageError
from batchgen.ledger import Ledger
from batchgen.ledger.picked import (
    reject_images,
    retry_status,
    retry_status_unless,
    rows_named,
    try_again,
)
from batchgen.model import Status
from batchgen.runner.row_causes import kinds_without_help

REJECT = "succeeded"
"""Must be stated: it buys again what was bought already."""
STATUSES = ("failed", "held", "refused", REJECT)
DEFAULT = ("failed", "held")
"""Refused rows are not among them, nor failed ones whose request is to blame: the same
request would end the same way."""


@dataclass(frozen=True, slots=True)
class SelectedRow:
    """A row by its id as the result table has it, or one image of it.

    Attributes:
        image: Counts from 1; None for the whole row.
    """

    id: str
    image: int | None = None


def mark_rows(
    ledger: Ledger, statuses: Collection[str], selection: Sequence[SelectedRow] | None
) -> int:
    """Mark rows to be tried again, within a transaction; return how many.

    Args:
        ledger: The ledger.
        statuses: Of the rows to be marked; empty for those that trying again can help,
            and of picked rows for all that did not succeed.
        selection: The rows that were picked; None where none were.

    Raises:
        UsageError: a row that was picked is not there.
    """
    if selection is None:
        marked = _mark(ledger, statuses)
    else:
        marked = _mark_picked(ledger, statuses, selection)
    if marked:
        ledger.meta.outputs = "stale"
    return marked


def _mark(ledger: Ledger, statuses: Collection[str]) -> int:
    if statuses:
        return sum(retry_status(ledger, Status(status)) for status in statuses)
    hopeless = kinds_without_help()
    return sum(
        retry_status_unless(ledger, Status(status), hopeless) for status in DEFAULT
    )


def _mark_picked(
    ledger: Ledger, statuses: Collection[str], selection: Sequence[SelectedRow]
) -> int:
    """Mark the rows that were picked; nothing if one of them is not there."""
    rows = rows_named(ledger, {selected.id for selected in selection})
    unknown = [selected.id for selected in selection if selected.id not in rows]
    if unknown:
        raise UsageError(
            f"no row has the id {unknown[0]!r} ({len(unknown)} of "
            f"{_ids(len(selection))} are in no row); nothing was marked"
        )
    chosen = statuses or tuple(status for status in STATUSES if status != REJECT)
    picked = [
        (row, selected.image)
        for selected in selection
        if (row := rows[selected.id]) is not None
    ]
    stood = {row_id: ledger.status(row_id) for row_id, _ in picked}
    marked = set()
    for row_id, image in picked:
        status = stood[row_id]
        is_due = status in chosen and status != REJECT
        # A row that lacks some of its images still has others, which may be as bad.
        if REJECT in chosen and (status == REJECT or image is not None):
            is_due |= reject_images(ledger, row_id, image)
        if is_due:
            try_again(ledger, row_id)
            marked.add(row_id)
    return len(marked)


def _ids(count: int) -> str:
    return "1 id" if count == 1 else f"{count} ids"
