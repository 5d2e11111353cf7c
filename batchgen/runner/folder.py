"""One run folder: its lock, its ledger, its archive, and the SOURCE it belongs to."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchgen.addresses.characters import visible_line
from batchgen.drives import FULL, reason_of
from batchgen.errors import (
    DiskFull,
    LedgerLocked,
    LedgerMismatch,
    SpecError,
    StorageError,
)
from batchgen.ledger import Ledger, Reader
from batchgen.ledger.resuming import count_opening
from batchgen.open_files import open_descriptor
from batchgen.output import ARCHIVE
from batchgen.output.archive import Archive
from batchgen.output.switch import discard, take_over
from batchgen.runner.folder_checks import (
    refuse_foreign_archive,
    refuse_special_files,
    refuse_without_ledger,
)
from batchgen.shortage import refuse_shortage

LEDGER = "run.db"
LOG = "run.log"
REHEARSAL_SUFFIX = "-rehearsal"
"""Suffix of the folder that has the rehearsals of a run folder's job."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run folder that this process holds.

    Attributes:
        is_new: Whether its ledger was just created.
    """

    path: Path
    ledger: Ledger
    archive: Archive
    is_new: bool = False


@contextmanager
def open_folder(
    path: Path, source: Path | None, mode: str | None
) -> Iterator[RunFolder]:
    """Open a run folder for writing; no other process can do so meanwhile.

    Args:
        path: The folder; it is created if there is a `source`.
        source: SOURCE that it is bound to; None accepts the folder as it is.
        mode: `real`, `loopback` or `rehearsal`; None accepts the folder as it is.

    Raises:
        LedgerLocked: another process works on it.
        LedgerMismatch: it belongs to another SOURCE or kind of run.
        StorageError: it cannot be written, or is damaged.
    """
    if source is not None:
        _make(path)
    with hold_folder(path):
        refuse_special_files(path)
        refuse_without_ledger(path / LEDGER)
        ledger = Ledger(path / LEDGER)
        try:
            refuse_foreign_archive(path, ledger)
            finish_switch(ledger, path)
            count_opening(ledger)
            is_new = ledger.meta.source is None
            if source is not None and mode is not None:
                with ledger.transaction():
                    bind(ledger, path, source, mode)
            archive = Archive(path / ARCHIVE, ledger.meta.archive_end)
            with archive:
                yield RunFolder(path, ledger, archive, is_new)
        finally:
            try:
                ledger.put_back()
            finally:
                ledger.close()


def read_ledger(path: Path) -> Reader:
    """Open a folder's ledger for reading, also while a run writes it.

    Raises:
        SpecError: there is no run in the folder.
    """
    require_run(path)
    return Reader(path / LEDGER)


def require_run(path: Path) -> None:
    """Refuse a folder without a run.

    Raises:
        SpecError: there is none in it.
    """
    refuse_special_files(path)
    refuse_without_ledger(path / LEDGER)
    if not (path / LEDGER).is_file():
        raise SpecError(f"{path} holds no run; `batchgen run SOURCE` makes one")


def finish_switch(ledger: Ledger, path: Path) -> None:
    """Finish a compaction that was decided, or discard one that was interrupted.

    This process must hold the folder.

    Raises:
        ArchiveDamaged: the archive that the ledger describes is gone.
    """
    size_bytes = ledger.meta.archive_switch
    if size_bytes:
        take_over(path / ARCHIVE, size_bytes)
        with ledger.transaction():
            ledger.meta.archive_switch = None
    else:
        discard(path / ARCHIVE)


@contextmanager
def current_ledger(path: Path) -> Iterator[tuple[Reader, bool]]:
    """Open a folder's ledger for reading, and hold the folder if no run does.

    Yields:
        The ledger, and whether this process holds the folder. If it does, the ledger
        was first migrated to the current schema.

    Raises:
        SpecError: there is no run in the folder.
    """
    require_run(path)
    with ExitStack() as stack:
        is_held = True
        try:
            stack.enter_context(hold_folder(path))
            with closing(Ledger(path / LEDGER)) as ledger:
                finish_switch(ledger, path)
        except LedgerLocked:
            is_held = False
        with closing(Reader(path / LEDGER)) as reader:
            yield reader, is_held


def is_locked(path: Path) -> bool:
    """Say whether a batchgen process works on the folder now."""
    try:
        with hold_folder(path):
            return False
    except LedgerLocked:
        return True


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(
            f"{path} is a file, not a folder; name another --out"
        ) from error
    except OSError as error:
        kind = DiskFull if error.errno in FULL else StorageError
        raise kind(
            f"cannot make the folder {path}: {error.strerror}; name another --out"
        ) from error


@contextmanager
def hold_folder(path: Path) -> Iterator[None]:
    """Hold the folder by a lock; the system releases it when the process ends."""
    try:
        descriptor = open_descriptor(path, os.O_RDONLY)
    except OSError as error:
        refuse_shortage(error)
        raise StorageError(
            f"cannot open the folder {path}: {reason_of(error)}"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise StorageError(
                    f"the file system of {path} has no locks ({error.strerror}), and "
                    "two runs could work on one folder: name one on a local disk with "
                    "--out, or mount it with locks"
                ) from error
            raise LedgerLocked(
                f"another batchgen works on {path}; wait until it ends, or stop it. "
                "`batchgen status` looks at it meanwhile"
            ) from error
        yield
    finally:
        os.close(descriptor)


def bind(ledger: Ledger, path: Path, source: Path, mode: str) -> None:
    """Bind a folder to SOURCE and to a kind of run.

    Raises:
        LedgerMismatch: it belongs to another.
    """
    relative, bound = os.path.relpath(source, path), ledger.meta.source
    if bound is None or _has_moved(path, bound, source):
        ledger.meta.source = relative
    elif bound != relative:
        other = visible_line(str((path / bound).resolve()))
        raise LedgerMismatch(
            f"{path} belongs to {other}, not to {source}; name another folder with "
            "--out, or carry on with the first"
        )
    if (bound_mode := ledger.meta.mode) is None:
        ledger.meta.mode = mode
    elif bound_mode != mode:
        raise LedgerMismatch(
            f"{path} holds a {bound_mode} run and this is a {mode} one; their money "
            "must not mix: name another folder with --out"
        )


def _has_moved(path: Path, bound: str, source: Path) -> bool:
    """Say whether folder or SOURCE moved: the old place is empty."""
    old = path / bound
    return not old.exists() and old.name == source.name
