"""Rows that the user selected: to be tried again, or to get other images."""

from __future__ import annotations

import json
from collections.abc import Collection

from batchgen.ledger.ledger import Ledger
from batchgen.ledger.reader import Reader
from batchgen.model import Status


def retry_status(ledger: Ledger, status: Status, unless: Collection[str] = ()) -> int:
    """Mark all rows of a status to be bought again; return how many there are.

    Args:
        ledger: The ledger.
        status: Of the rows.
        unless: Rows that ended with one of these errors are left out.
    """
    values = (json.dumps(sorted(unless)), status.value, ledger.generation)
    return ledger.execute("retry_unless", values).rowcount


def rows_named(ledger: Reader, names: Collection[str]) -> dict[str, int | None]:
    """Return the row number for each id of the result table.

    Ids without a row are left out; None means that the row cannot run.
    """
    row_ids: dict[str, int | None] = {}
    for row in ledger.execute("selection_names", (ledger.generation,)):
        # Of two rows with one id, the later one cannot run.
        if row["name"] in names and row_ids.get(row["name"]) is None:
            row_ids[row["name"]] = row["row_id"]
    return row_ids


def try_again(ledger: Ledger, row_id: int) -> None:
    """Mark a row to be bought again, as if none of its attempts had been made."""
    ledger.execute("selection_again", (row_id,))
    if not ledger.is_planned(row_id):
        # The row left the manifest, and other rows share its images. The next reading
        # plans to buy one of these instead.
        ledger.meta.plan_digest = None


def stale_children(ledger: Reader) -> list[int]:
    """Return rows with images that were made from images which are bought again."""
    values = {"generation": ledger.generation}
    return [row_id for (row_id,) in ledger.execute("selection_children", values)]


def reject_images(ledger: Ledger, row_id: int, image: int | None) -> bool:
    """Remove one image of a row from the ZIP's directory, or all of its images.

    The cost stays with the row, and the bytes stay in the archive.

    Returns:
        False if there is none.
    """
    values = {"row_id": row_id, "image": image}
    return ledger.execute("selection_reject", values).rowcount > 0
