"""Mark rows of a run folder for a retry, or reject their images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from batchgen.errors import UsageError
from batchgen.ledger import Ledger
from batchgen.ledger.selection import (
    reject_images,
    retry_status,
    rows_named,
    stale_children,
    try_again,
)
from batchgen.model import Status
from batchgen.runner.row_causes import kinds_without_help

REJECT = "succeeded"
"""Only if the user names it: it buys again what was bought already."""
STATUSES = ("failed", "held", "refused", REJECT)
DEFAULT = ("failed", "held")
"""Without refused rows; failed rows with a wrong request are left out, too. The same
request would end in the same way."""


@dataclass(frozen=True, slots=True)
class SelectedRow:
    """A row that the user selected by its id, or one image of the row.

    Attributes:
        id: As in the result table.
        image: Counts from 1; None for the whole row.
    """

    id: str
    image: int | None = None


def mark_rows(
    ledger: Ledger,
    statuses: Collection[str],
    selection: Sequence[SelectedRow] | None,
    *,
    with_children: bool = False,
) -> int:
    """Mark rows for a retry, within a transaction; return how many.

    Args:
        ledger: The ledger.
        statuses: Mark only rows with these. If empty: rows that a retry can help, or of
            the selected rows all that did not succeed.
        selection: The rows that the user selected; None for no selection.
        with_children: Whether rows that were made from images which are bought again
            are bought again, too.

    Raises:
        UsageError: a selected row does not exist.
    """
    if selection is None:
        count = _mark(ledger, statuses)
    else:
        count = _mark_selected(ledger, statuses, selection)
    if with_children:
        count += _mark_children(ledger)
    if count:
        ledger.meta.outputs = "stale"
    return count


def _mark(ledger: Ledger, statuses: Collection[str]) -> int:
    if statuses:
        return sum(retry_status(ledger, Status(status)) for status in statuses)
    kinds = kinds_without_help()
    return sum(retry_status(ledger, Status(status), kinds) for status in DEFAULT)


def _mark_selected(
    ledger: Ledger, statuses: Collection[str], selection: Sequence[SelectedRow]
) -> int:
    """Mark the selected rows, or none if one of them does not exist."""
    rows = rows_named(ledger, {selected.id for selected in selection})
    unknown = [selected.id for selected in selection if selected.id not in rows]
    if unknown:
        raise UsageError(
            f"no row has the id {unknown[0]!r} ({len(unknown)} of "
            f"{_ids(len(selection))} are in no row); nothing was marked"
        )
    statuses = statuses or tuple(status for status in STATUSES if status != REJECT)
    row_ids = [
        (row_id, selected.image)
        for selected in selection
        if (row_id := rows[selected.id]) is not None
    ]
    # Read before the first change: a row may be selected more than once.
    status_of = {row_id: ledger.status(row_id) for row_id, _ in row_ids}
    marked_ids = set()
    for row_id, image in row_ids:
        status = status_of[row_id]
        is_due = status in statuses and status != REJECT
        # Also a row that has only some of its images may have one to reject.
        if REJECT in statuses and (status == REJECT or image is not None):
            is_due |= reject_images(ledger, row_id, image)
        if is_due:
            try_again(ledger, row_id)
            marked_ids.add(row_id)
    return len(marked_ids)


def _mark_children(ledger: Ledger) -> int:
    children = stale_children(ledger)
    for row_id in children:
        reject_images(ledger, row_id, None)
        try_again(ledger, row_id)
    return len(children)


def _ids(count: int) -> str:
    return "1 id" if count == 1 else f"{count} ids"
