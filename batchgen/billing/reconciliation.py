"""Compare a run folder with a provider's bill, and settle unknown costs by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from batchgen.billing.comparison import Bill, Comparison, Difference, compare
from batchgen.ledger import (
    Ledger,
    Totals,
    settle_charge,
    settled_without_note,
    unsettle_charges,
)
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.model import now_micros
from batchgen.runner.folder import open_folder
from batchgen.runner.resume import recover
from batchgen.storage.outputs import are_fresh, write_outputs


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The comparison, and the folder's totals after the settlements.

    Attributes:
        settled: How many purchases now have their cost from the bill.
    """

    comparison: Comparison
    settled: int
    totals: Totals


def reconcile(path: Path, bill: Bill, *, settles: bool) -> Reconciliation:
    """Compare a folder that no run works on with a bill, and settle if `settles`.

    Raises:
        LedgerLocked: a run works on the folder.
        StorageError: the settlements cannot be written.
    """
    with open_folder(path, None, None) as folder:
        ledger, settled = folder.ledger, 0
        if settles:
            # Attempts that a killed process left open are settled, too.
            recover(ledger, folder.archive, now_micros())
        comparison = compare(ledger, bill)
        if settles:
            settled = _settle(ledger, comparison.differences)
            if not are_fresh(ledger, folder.archive, path):
                write_outputs(ledger, folder.archive, path)
        return Reconciliation(comparison, settled, ledger.totals(EVERY_ROW))


@dataclass(frozen=True, slots=True)
class Reversal:
    """The settlements of a folder that were undone, and its totals afterwards.

    Attributes:
        changed: How many purchases have their cost from before the bill again.
        without_note: How many keep the cost from the bill: an older batchgen settled
            them and did not record the cost before.
    """

    changed: int
    without_note: int
    totals: Totals


def unsettle(path: Path, provider: str | None) -> Reversal:
    """Undo the settlements of a folder that no run works on.

    Args:
        path: The run folder.
        provider: Undo only those by this provider's bills; None for all.

    Raises:
        LedgerLocked: a run works on the folder.
        StorageError: it cannot be written.
    """
    with open_folder(path, None, None) as folder:
        ledger = folder.ledger
        recover(ledger, folder.archive, now_micros())
        with ledger.transaction():
            changed = unsettle_charges(ledger, provider)
        if changed and not are_fresh(ledger, folder.archive, path):
            write_outputs(ledger, folder.archive, path)
        without_note = settled_without_note(ledger, provider)
        return Reversal(changed, without_note, ledger.totals(EVERY_ROW))


def _settle(ledger: Ledger, differences: Iterable[Difference]) -> int:
    """Record the costs that the bill settles; return for how many purchases."""
    settled = 0
    with ledger.transaction():
        for difference in differences:
            if difference.attempt_id is not None and difference.settles_to is not None:
                settle_charge(ledger, difference.attempt_id, difference.settles_to)
                settled += 1
    return settled
