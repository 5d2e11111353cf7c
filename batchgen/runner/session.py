"""Open a run folder and all that a run in it needs, for a real run or a rehearsal."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from batchgen.drives import message_for
from batchgen.errors import BatchgenError, StorageError
from batchgen.ledger.database import check_last_opened
from batchgen.ledger.estimate import Estimate
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job
from batchgen.providers import PROVIDERS
from batchgen.runner.access import mode_of, prices_of, read_keys
from batchgen.runner.config import RunConfig, RunOptions, RunResult
from batchgen.runner.engine import Engine
from batchgen.runner.folder import LOG, RunFolder, open_folder
from batchgen.runner.handle import RunHandle
from batchgen.runner.logfile import log_to
from batchgen.runner.progress import Progress
from batchgen.runner.shell_quoting import quoted_word
from batchgen.storage.chosen_tables import choose_tables
from batchgen.wire import redactor_for

if TYPE_CHECKING:
    from batchgen.sandbox import SandboxProcess

E = TypeVar("E", bound=Exception)


class Crash(BatchgenError):
    """A fault of batchgen itself ended the run; `run.log` has the details."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who runs a job, and how to reach them.

    Attributes:
        notice: Called with a sentence that the user should read now.
        ask: Called with the estimate when consent is missing; raises to refuse.
        command: Words of the command that resumes the run; None if there is none.
        keys: Keys by provider; they replace those of the environment.
        handle: Stops the run from outside.
    """

    notice: Callable[[str], None]
    ask: Callable[[Estimate], None]
    handle: RunHandle
    command: Sequence[str] | None = None
    keys: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A run folder that is open, and all that a run in it needs.

    Attributes:
        job: The job as it runs: in a rehearsal, against the sandbox.
        sandbox: The sandbox of a rehearsal; None for a real run.
    """

    job: Job
    folder: RunFolder
    config: RunConfig
    sandbox: SandboxProcess | None = None

    @property
    def progress(self) -> Progress:
        """What the run has done so far."""
        return self.config.progress

    async def run(self) -> RunResult:
        """Run the job to its end, or to an orderly stop."""
        return await Engine(self.job, self.folder, self.config).run()


@contextmanager
def open_session(job: Job, options: RunOptions, caller: Caller) -> Iterator[Session]:
    """Open what a run of a job needs, and hold the folder while the block lasts.

    Raises:
        BatchgenError: the manifest cannot be read, the folder cannot be written, a key
            is missing, or the sandbox does not start.
    """
    if options.rehearse:
        # Imported here: a real run needs no sandbox.
        from batchgen.runner.rehearsal import open_rehearsal

        with open_rehearsal(job, options, caller) as session:
            yield session
        return
    keys = read_keys(job, caller.keys)
    with open_and_log(job, mode_of(job), keys, caller) as (folder, log):
        config = RunConfig(
            providers=PROVIDERS,
            keys=keys,
            prices=prices_of(job),
            ask=caller.ask,
            paid_hosts=True,
            consented=options.yes or job.max_cost is not None,
            rebuy=options.rebuy,
            keep=options.keep,
            progress=Progress(notice=caller.notice),
            handle=caller.handle,
            log=log,
        )
        yield Session(job=job, folder=folder, config=config)


@contextmanager
def open_and_log(
    job: Job, mode: str, keys: Mapping[str, str], caller: Caller
) -> Iterator[tuple[RunFolder, logging.Logger]]:
    """Open a job's run folder and its log, and hold the folder while the block lasts.

    Args:
        job: The job.
        mode: `real`, `loopback` or `rehearsal`.
        keys: Keys that the log must not contain.
        caller: Who runs the job.

    Raises:
        BatchgenError: the manifest cannot be read, or the folder cannot be written.
    """
    # Opened first: a manifest that cannot be read must not create or bind a folder.
    Manifest.open(job)
    command = None if caller.command is None else [*caller.command]
    with open_folder(job.out, job.source, mode) as folder:
        with folder.ledger.transaction():
            folder.ledger.meta.command = (
                None if command is None else json.dumps(command)
            )
            folder.ledger.meta.budget_needed = None
            if job.table_formats is not None:
                choose_tables(folder.ledger, job.out, job.table_formats)
            folder.ledger.meta.rates = json.dumps(_rates_of(job))
        redact = redactor_for(keys.values()).redact
        with log_to(job.out / LOG, redact, caller.notice) as log:
            if command is not None:
                line = " ".join(map(quoted_word, command))
                log.info("command", extra={"words": redact(line)})
            yield folder, log


def _rates_of(job: Job) -> dict[str, float | None]:
    """Return the maximum of purchases a minute, by provider; None if it is unknown."""
    rates = {
        name: job.terms_of(name).rpm or PROVIDERS[name].defaults.rpm
        for name in job.providers
    }
    return {name: None if rate == "auto" else rate for name, rate in rates.items()}


@contextmanager
def plain_errors(log: logging.Logger) -> Iterator[None]:
    """Raise one error in place of a group of errors.

    Raises:
        BatchgenError: the error that the user can do something about, else `Crash`.
        KeyboardInterrupt: Ctrl-C came, and no signal handler was installed.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is not None:
            raise KeyboardInterrupt from group
        raise plain_error(group, log) from group
    except BatchgenError:
        raise
    except Exception as error:
        raise plain_error(BaseExceptionGroup("", [error]), log) from error


def plain_error(
    group: BaseExceptionGroup[BaseException], log: logging.Logger
) -> BatchgenError:
    """Return the error that the user can do something about, else a `Crash`."""
    error = first_of_kind(group, StorageError) or first_of_kind(group, BatchgenError)
    if error is not None:
        return error
    failed = first_of_kind(group, OSError)
    if failed is not None and failed.filename:
        # Only errors of the file system have a file name.
        return StorageError(message_for(failed))
    log.error("crashed", exc_info=group)
    try:
        check_last_opened()
    except StorageError as damage:
        return damage
    return Crash(
        "a fault of batchgen itself; run.log in the run folder has the details. "
        "Nothing is lost"
    )


def first_of_kind(group: BaseExceptionGroup[BaseException], kind: type[E]) -> E | None:
    """Return the first error of a kind in a group, however deep it lies."""
    matching: BaseException | None = group.subgroup(kind)
    while isinstance(matching, BaseExceptionGroup):
        matching = matching.exceptions[0]
    return matching if isinstance(matching, kind) else None
