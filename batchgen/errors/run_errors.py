"""Errors that end a command or a run: of its job, its budget or its storage."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import ClassVar


class BatchgenError(Exception):
    """Base of all errors that batchgen raises on purpose."""

    @property
    def kind(self) -> str:
        """Name in snake case, as it stands in the result table."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class SpecError(BatchgenError):
    """The job, the manifest or the command must be fixed; the text says where."""


class UsageError(SpecError):
    """The command line must be fixed, or consent is missing."""


class BudgetReached(BatchgenError):
    """The next request could pass the budget; raise it to carry on.

    Attributes:
        remedy: What the user may raise.
    """

    remedy: ClassVar[str] = "raise --max-cost"


class DayFull(BudgetReached):
    """The next request could pass the day's budget."""

    remedy = "carry on then, or raise --max-cost-per-day"


class DayTooSmall(BudgetReached):
    """One request alone could pass the budget of a whole day: no day will do."""

    remedy = "raise --max-cost-per-day"


class GroupsFull(BudgetReached):
    """What is left to buy could pass the budget of some value of a column."""

    remedy = "raise it under [budget.by] in the job file"


class NearlyAllFailed(BatchgenError):
    """Nearly every row fails for its own sake; look, then raise `max_failures`."""


class StorageError(BatchgenError):
    """Disk, ledger or archive cannot be trusted: stop at once, nothing more is sent."""


class DiskFull(StorageError):
    """Free disk space ran out; free some and run the same command again."""


class LedgerLocked(StorageError):
    """Another batchgen works on this run folder; wait for it or stop it."""


def ledger_remedy(folder: Path, *, moved: bool = False) -> str:
    """Return what to do about a run folder without its ledger.

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
    """What was bought is in the run folder, and the ledger that knows it is not."""


class LedgerMismatch(StorageError):
    """The run folder belongs to another SOURCE, kind of run or newer version."""


class ArchiveDamaged(StorageError):
    """The ZIP does not hold what the ledger says that it holds."""
