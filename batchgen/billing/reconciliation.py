"""Compare a run folder with a provider's bill, and settle by it what was not known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batchgen.billing.bill import micros_of
from batchgen.billing.comparison import Bill, Comparison, Difference, compare
from batchgen.ledger import (
    Ledger,
    Totals,
    settle_charge,
    settled_without_note,
    unsettle_charges,
)
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.runner.folder import open_folder
from batchgen.runner.resume import recover
from batchgen.storage.outputs import are_fresh, write_outputs


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was different, and the folder's money after what was settled.

    Attributes:
        settled: Purchases whose cost is the bill's now.
    """

    comparison: Comparison
    settled: int
    totals: Totals


def reconcile(path: Path, bill: Bill, *, settles: bool) -> Reconciliation:
    """Compare a folder that no run works on with a bill; change nothing, or settle.

    Raises:
        LedgerLocked: a run works on the folder.
        StorageError: what is settled cannot be written.
    """
    with open_folder(path, None, None) as folder:
        ledger, settled = folder.ledger, 0
        if settles:
            # What an earlier process left without an answer is to be settled, too.
            recover(ledger, folder.archive, micros_of(datetime.now(UTC)))
        comparison = compare(ledger, bill)
        if settles:
            settled = _settle(ledger, comparison.differences)
            if not are_fresh(ledger, folder.archive, path):
                write_outputs(ledger, folder.archive, path)
        return Reconciliation(comparison, settled, ledger.totals(EVERY_ROW))


@dataclass(frozen=True, slots=True)
class Reversal:
    """What was taken back of the settlements of a folder, and its money afterwards.

    Attributes:
        changed: Purchases that cost what they did before a bill.
        without_note: Purchases that stay as a bill has them, since the batchgen that
            settled them did not write down what stood before.
    """

    changed: int
    without_note: int
    totals: Totals


def unsettle(path: Path, provider: str | None) -> Reversal:
    """Take back what bills settled in a folder that no run works on.

    Args:
        path: The run folder.
        provider: Whose bills; None for all of them.

    Raises:
        LedgerLocked: a run works on the folder.
        StorageError: it cannot be written.
    """
    with open_folder(path, None, None) as folder:
        ledger = folder.ledger
        recover(ledger, folder.archive, micros_of(datetime.now(UTC)))
        with ledger.transaction():
            changed = unsettle_charges(ledger, provider)
        if changed and not are_fresh(ledger, folder.archive, path):
            write_outputs(ledger, folder.archive, path)
        without_note = settled_without_note(ledger, provider)
        return Reversal(changed, without_note, ledger.totals(EVERY_ROW))


def _settle(ledger: Ledger, differences: Iterable[Difference]) -> int:
    """Write down what the bill settles; returns for how many purchases."""
    settled = 0
    with ledger.transaction():
        for difference in differences:
            if difference.attempt_id is not None and difference.settles_to is not None:
                settle_charge(ledger, difference.attempt_id, difference.settles_to)
                settled += 1
    return settled
