"""Errors of a job, its budget or its storage, which end a command or a run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import ClassVar


class BatchgenError(Exception):
    """Base of all errors that batchgen raises on purpose."""

    @property
    def kind(self) -> str:
        """Name in snake case, as in the result table."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class SpecError(BatchgenError):
    """Job, manifest or command must be corrected; the message says where."""


class UsageError(SpecError):
    """The command line must be corrected, or consent is missing."""


class BudgetReached(BatchgenError):
    """The next request could exceed the budget; raise the budget to carry on.

    Attributes:
        remedy: The setting that the user may raise.
    """

    remedy: ClassVar[str] = "raise --max-cost"


class DayFull(BudgetReached):
    """The next request could exceed the day's budget."""

    remedy = "carry on then, or raise --max-cost-per-day"


class DayTooSmall(BudgetReached):
    """One request alone could exceed the budget of a whole day, and so of each day."""

    remedy = "raise --max-cost-per-day"


class GroupsFull(BudgetReached):
    """The rest of the rows could exceed the budget of some value of a column."""

    remedy = "raise it under [budget.by] in the job file"


class NearlyAllFailed(BatchgenError):
    """Nearly every row fails for its own reason; check, then raise `max_failures`."""


class StorageError(BatchgenError):
    """Disk, ledger or archive is unreliable: stop at once, nothing more is sent."""


class DiskFull(StorageError):
    """Free disk space ran out; free some and run the same command again."""


class LedgerLocked(StorageError):
    """Another batchgen works on this run folder; wait for its end or stop it."""


def ledger_remedy(folder: Path, *, moved: bool = False) -> str:
    """Return the remedies for a run folder without its ledger.

    Args:
        folder: The run folder.
        moved: Whether a file that is no ledger of this run must be moved away first.
    """
    first = "move run.db out of the folder and " if moved else ""
    return (
        "put the ledger back from a copy (run.db, and run.db-wal where there is one), "
        f"or {first}build a new one from what is there: "
        f"batchgen recover {shlex.quote(str(folder))}; or name another folder with "
        "--out. Nothing was sent; what was bought stays as it is"
    )


class LedgerMissing(StorageError):
    """The purchases are in the run folder, and their ledger is not."""


class LedgerMismatch(StorageError):
    """The run folder belongs to another SOURCE, kind of run or newer version."""


class ArchiveDamaged(StorageError):
    """The ZIP does not contain the images that the ledger has."""
