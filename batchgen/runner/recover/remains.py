"""Read what remains of a run folder without its ledger: tables, ZIP, log."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from batchgen.errors import LedgerMismatch, StorageError, UsageError
from batchgen.ledger import REHEARSAL
from batchgen.ledger.file_state import LedgerState, state_of
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.reading import WrittenTable
from batchgen.runner.folder import LEDGER, LOG
from batchgen.runner.folder_checks import SANDBOX, refuse_special_files
from batchgen.runner.recover.run_log import Events, read_events

OPEN_STATES = ("sent", "accepted", "overdue", "delivered")
"""States of purchases for which the log may have later events than the table."""


@dataclass(slots=True, kw_only=True)
class Remains:
    """The files of a run folder that name purchases.

    Attributes:
        purchases: `attempts.parquet`; None if it cannot be read.
        results: `results.parquet`; None if it cannot be read.
        unreadable: Files that cannot be read, and why.
    """

    folder: Path
    events: Events
    purchases: WrittenTable | None
    results: WrittenTable | None
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Path | None:
        """SOURCE of the run; None if no file names it."""
        relative = self.purchases.source if self.purchases else None
        if relative is not None:
            return (self.folder / relative).resolve()
        return Path(self.events.source) if self.events.source else None

    @property
    def mode(self) -> str | None:
        """What kind of run it was; None if no file says it.

        Raises:
            LedgerMismatch: two files disagree.
        """
        tables = (self.purchases, self.results)
        modes = {table.mode for table in tables if table and table.mode}
        if len(modes) > 1:
            raise LedgerMismatch(
                f"{self.folder}: {PURCHASES} and {TABLE} are of different kinds of run "
                f"({' and '.join(sorted(modes))}): move away the one that is not of "
                "this folder"
            )
        if modes:
            return modes.pop()
        return REHEARSAL if (self.folder / SANDBOX).is_dir() else None

    @property
    def urls(self) -> set[str]:
        """Base URLs of all purchases, as far as a file names them."""
        rows = self.purchases.rows() if self.purchases else ()
        in_table = {row["base_url"] for row in rows if row["base_url"]}
        return in_table | set(self.events.urls.values())

    @property
    def providers(self) -> list[str]:
        """Providers of all purchases, as far as a file names them."""
        rows = self.purchases.rows() if self.purchases else ()
        in_table = (str(row["provider"]) for row in rows)
        attempts = self.events.attempts.values()
        in_log = (attempt.sent_fields.get("provider") for attempt in attempts)
        return [name for name in dict.fromkeys(chain(in_table, in_log)) if name]


def read_remains(folder: Path) -> Remains:
    """Read what a run folder holds; nothing is changed.

    Raises:
        UsageError: it has its ledger, or no trace of a purchase.
        StorageError: a link or a pipe is in place of a file of the run.
    """
    refuse_special_files(folder)
    refuse_whole_ledger(folder)
    unreadable: dict[str, str] = {}
    purchases = _open(folder / PURCHASES, unreadable)
    remains = Remains(
        folder=folder,
        events=read_events(folder / LOG, _ended_in(purchases)),
        purchases=purchases,
        results=_open(folder / TABLE, unreadable),
        unreadable=unreadable,
    )
    is_empty = not (remains.purchases or remains.results or remains.events.attempts)
    if is_empty and not (folder / ARCHIVE).is_file():
        raise UsageError(
            f"{folder} holds no run: neither {ARCHIVE}, {TABLE} and {PURCHASES} nor a "
            f"{LOG} that tells of purchases. There is nothing to recover"
            + "".join(f"; {reason}" for reason in unreadable.values())
        )
    return remains


def _ended_in(purchases: WrittenTable | None) -> set[int]:
    """Return the ids of purchases whose end is in the table."""
    rows = purchases.rows() if purchases else ()
    return {row["attempt_id"] for row in rows if row["state"] not in OPEN_STATES}


def refuse_whole_ledger(folder: Path) -> None:
    """Refuse a folder that has a whole ledger.

    Raises:
        UsageError: it has one.
    """
    if state_of(folder / LEDGER) is LedgerState.WHOLE:
        raise UsageError(
            f"{folder} has its ledger (run.db), and that is whole: there is nothing to "
            "recover. If it is an older copy, move run.db, run.db-wal and run.db-shm "
            "out of the folder, and run this again. Nothing was changed"
        )


def _open(path: Path, unreadable: dict[str, str]) -> WrittenTable | None:
    if not path.is_file():
        return None
    try:
        table = WrittenTable(path)
        for _ in table.rows():  # all rows must be readable before anything is written
            pass
    except StorageError as error:
        unreadable[path.name] = str(error)
        return None
    return table
