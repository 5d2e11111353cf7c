"""Build a new ledger for a run folder whose ledger was lost; nothing is sent.

The plan is made from SOURCE as `run` makes it. Then the purchases are added from the
table of purchases, the log and the ZIP. The new ledger is built under another name.
When it is complete and on disk, it takes the place of the old one in one step. So a
recovery may be killed at any time, and started again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import DiskFull, StorageError
from batchgen.ledger import Ledger, PlanWriter
from batchgen.ledger.database import check_whole
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.manifest import key_of
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job, PriceList, now_micros
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.archive import Archive
from batchgen.output.member_names import folded_base_names
from batchgen.output.table_formats import TABLE_COPIES
from batchgen.output.whole import sync_folder
from batchgen.planning.plan_entries import add_all_rows
from batchgen.planning.routing import Router
from batchgen.providers.base import Provider
from batchgen.runner.folder import LEDGER, LOG, bind, hold_folder
from batchgen.runner.folder_checks import RECOVERING
from batchgen.runner.recover.ledger_filler import LedgerFiller
from batchgen.runner.recover.recovered_attempts import AttemptFactory
from batchgen.runner.recover.recovery_report import RecoveryReport
from batchgen.runner.recover.remains import Remains, refuse_whole_ledger
from batchgen.runner.resume import recover


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What a recovery works with.

    Attributes:
        mode: What kind of run it was.
        command: The command that resumes the run, as the ledger stores it.
    """

    job: Job
    providers: Mapping[str, Provider]
    prices: Mapping[str, PriceList]
    mode: str
    command: str


def recover_folder(recovery: Recovery, remains: Remains) -> RecoveryReport:
    """Build the ledger of a folder and put it in its place.

    Raises:
        LedgerLocked: a batchgen works on the folder.
        UsageError: the folder has a whole ledger, or SOURCE has none of its rows.
        StorageError: the ZIP is another program's, or the folder cannot be written.
    """
    folder = remains.folder
    with hold_folder(folder):
        refuse_whole_ledger(folder)
        clear_new(folder)
        report = RecoveryReport(unreadable=[*remains.unreadable.values()])
        try:
            _build(recovery, remains, report)
            _refuse_invalid(folder)
        except BaseException:
            clear_new(folder)
            raise
        others = [*remains.unreadable, *_table_copies(recovery.job, folder)]
        report.moved_aside = put_in_place(folder, others)
    return report


def _table_copies(job: Job, folder: Path) -> list[str]:
    """Return the names of the result table in other formats.

    The new ledger does not know them, so nothing would keep them up to date, and a run
    that is to write them would take them for somebody else's.
    """
    own = {path.resolve() for path in (job.source, *job.tables)}
    return [name for name in TABLE_COPIES if (folder / name).resolve() not in own]


def _build(recovery: Recovery, remains: Remains, report: RecoveryReport) -> None:
    folder = remains.folder
    with closing(Ledger(folder / RECOVERING)) as ledger:
        with ledger.transaction():
            bind(ledger, folder, recovery.job.source, recovery.mode)
            ledger.meta.command = recovery.command
            _plan(ledger, recovery)
        with ledger.transaction():
            attempt_factory = AttemptFactory(
                job=recovery.job,
                providers=recovery.providers,
                prices=recovery.prices,
                urls=dict(remains.events.urls),
            )
            LedgerFiller(ledger, attempt_factory, remains, report).fill()
        with Archive(folder / ARCHIVE, ledger.meta.archive_end) as archive:
            recover(ledger, archive, now_micros())
        report.totals = ledger.totals(EVERY_ROW)


def _refuse_invalid(folder: Path) -> None:
    """Refuse a ledger that the next run would reject as damaged.

    Raises:
        StorageError: a file of the folder has values that batchgen never writes.
    """
    try:
        check_whole(folder / RECOVERING)
    except DiskFull:
        raise
    except StorageError as error:
        raise StorageError(
            f"{folder}: {PURCHASES}, {TABLE}, {ARCHIVE} or {LOG} tells of amounts or "
            "times that batchgen never writes, so somebody changed it: move that file "
            "away, or put a copy in its place, and run this again. Nothing was changed"
        ) from error


def _plan(ledger: Ledger, recovery: Recovery) -> None:
    """Plan all rows as `run` does in an empty ledger."""
    job = recovery.job
    manifest = Manifest.open(job)
    router = Router.of(job, recovery.providers, recovery.prices)
    with closing(
        PlanWriter(ledger, key_of, folded_base_names, dedupe=job.dedupe)
    ) as plan:
        slices = add_all_rows(plan, manifest, router)
        rows = sum(len(entries) for _, entries in slices)
        plan.end()
        # No manifest has this digest, so the next run makes a new plan.
        plan.complete("recovered", manifest.user_schema, rows)


# -- the new ledger takes the place of the old one


_LOG_SUFFIXES = ("-wal", "-shm", "-journal")


def clear_new(folder: Path) -> None:
    """Remove the new ledger of a recovery that was killed."""
    try:
        for suffix in ("", *_LOG_SUFFIXES):
            (folder / f"{RECOVERING}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise _cannot(folder, error) from error


def put_in_place(folder: Path, others: Sequence[str]) -> list[str]:
    """Move the new ledger to its place; it is on disk when this returns.

    The files of the old ledger are renamed first: SQLite would read its log as a part
    of the new ledger.

    Args:
        folder: The run folder.
        others: Tables that are renamed, too: the next run writes them anew.

    Returns:
        The new names of the renamed files.
    """
    try:
        moved = _move_aside(folder, others)
        new = folder / RECOVERING
        for suffix in _LOG_SUFFIXES:
            if (folder / f"{RECOVERING}{suffix}").exists():
                raise StorageError(f"{new} is not whole; run this again")
        with new.open("rb") as file:
            os.fsync(file.fileno())
        sync_folder(folder)
        new.replace(folder / LEDGER)
        sync_folder(folder)
    except OSError as error:
        raise _cannot(folder, error) from error
    return moved


def _move_aside(folder: Path, others: Sequence[str]) -> list[str]:
    number = 1
    while any(folder.glob(f"*.lost-{number}*")):
        number += 1
    names = {
        f"{LEDGER}{suffix}": f"{LEDGER}.lost-{number}{suffix}"
        for suffix in ("", *_LOG_SUFFIXES)
    }
    names |= {name: f"{name}.lost-{number}" for name in others}
    moved = []
    for name, new_name in names.items():
        if (folder / name).exists():
            (folder / name).rename(folder / new_name)
            moved.append(new_name)
    return moved


def _cannot(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write in {folder}: {error.strerror or error}. When that is mended, "
        "run this again"
    )
