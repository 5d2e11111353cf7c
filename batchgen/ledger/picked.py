"""Rows that the user selected: to be tried again, or to get other images."""

from __future__ import annotations

import json
from collections.abc import Collection

from batchgen.ledger.ledger import Ledger
from batchgen.ledger.reader import Reader
from batchgen.model import Status


def retry_status(ledger: Ledger, status: Status) -> int:
    """Mark all rows of a status to be bought again; return how many there are."""
    values = (status.value, ledger.generation)
    return ledger.execute("retry_by_status", values).rowcount


def retry_status_unless(ledger: Ledger, status: Status, errors: Collection[str]) -> int:
    """Do the same, except for rows that ended with one of these errors."""
    values = (json.dumps(sorted(errors)), status.value, ledger.generation)
    return ledger.execute("retry_unless", values).rowcount


def rows_named(ledger: Reader, names: Collection[str]) -> dict[str, int | None]:
    """Return whose purchases belong to ids as the result table has them.

    Ids that no row has are left out; None stands for a row that cannot run.
    """
    row_ids: dict[str, int | None] = {}
    for row in ledger.execute("picked_names", (ledger.generation,)):
        # The later row of a repeated id is the one that cannot run.
        if row["name"] in names and row_ids.get(row["name"]) is None:
            row_ids[row["name"]] = row["row_id"]
    return row_ids


def try_again(ledger: Ledger, row_id: int) -> None:
    """Mark a row to be bought again, as if none of its attempts had been made."""
    ledger.execute("picked_again", (row_id,))
    if not ledger.is_planned(row_id):
        # It left the manifest, and others only share its images. When that is read
        # anew, one of them is bought in its stead.
        ledger.meta.plan_digest = None


def reject_images(ledger: Ledger, row_id: int, image: int | None) -> bool:
    """Give up an image of a row, or all; False where there is none.

    What they cost stays with the row, and their bytes in the archive.
    """
    values = {"row_id": row_id, "image": image}
    return ledger.execute("picked_reject", values).rowcount > 0
