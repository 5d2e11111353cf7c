"""Start the engine in a job's folder: its lock, log, consent, signals."""

from __future__ import annotations

import gc
import json
import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import anyio
import click

from batchgen.cli.display import choose_display
from batchgen.cli.logfile import log_to
from batchgen.cli.manner import Manner
from batchgen.cli.runfolder import these_words, this_command
from batchgen.cli.stop_words import stopped_now_line
from batchgen.cli.stored_command import write_words
from batchgen.cli.streams import speaks_json_lines, write_error, write_notice
from batchgen.cli.words import counted
from batchgen.drives import message_for
from batchgen.engines.estimate import Estimate
from batchgen.engines.folder import LOG, RunFolder, open_folder
from batchgen.engines.local import LocalEngine
from batchgen.engines.setting import Outcome, Setting
from batchgen.errors import BatchgenError, LedgerMissing, StorageError, UsageError
from batchgen.ledger import OpenAttempts
from batchgen.ledger.database import check_last_opened
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job, State, dollars
from batchgen.open_files import raise_limit
from batchgen.providers import PROVIDERS
from batchgen.wire import scrubber_of

E = TypeVar("E", bound=Exception)

# A thread that has written to the disk waits this long for a busy event loop, and all
# that it wrote for waits with it; Python's own 5 ms stood twice in each commit.
SWITCH_S = 0.0005


@contextmanager
def open_and_log(
    job: Job, realm: str, keys: Mapping[str, str]
) -> Iterator[tuple[RunFolder, logging.Logger]]:
    """Open a job's run folder, ours while the block lasts, and its log.

    Args:
        job: The job.
        realm: `real`, `loopback` or `rehearsal`.
        keys: What must not stand in the log.

    Raises:
        BatchgenError: the manifest cannot be read, or the folder not be written.
    """
    # A manifest that cannot be read leaves no folder behind, and binds none.
    Manifest.open(job)
    with open_folder(job.out, job.source, realm) as folder:
        with folder.ledger.transaction():
            folder.ledger.meta.command = write_words(these_words())
            folder.ledger.meta.budget_needed = None
            folder.ledger.meta.rates = json.dumps(_rates_of(job))
        clean = scrubber_of(keys.values()).clean
        with log_to(job.out / LOG, clean, write_notice) as log:
            log.info("command", extra={"words": clean(this_command())})
            yield folder, log


def _rates_of(job: Job) -> dict[str, float | None]:
    """Return the purchases a minute that each provider is asked for at most."""
    rates = {
        it: job.terms_of(it).rpm or PROVIDERS[it].defaults.rpm for it in job.providers
    }
    return {it: None if rate == "auto" else rate for it, rate in rates.items()}


def run_in(
    job: Job,
    folder: RunFolder,
    setting: Setting,
    manner: Manner,
    log: logging.Logger,
) -> Outcome:
    """Run the engine until it ends, and show how it goes meanwhile.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    display = choose_display(quiet=manner.quiet, json_lines=manner.json_lines)
    # Before the display runs: the engine's first notices come before its first wait.
    setting.progress.notice = write_notice
    raise_limit()  # each purchase in flight has a socket
    gc.freeze()  # what lives as long as the process is 7 % of a run's CPU to collect
    sys.setswitchinterval(SWITCH_S)

    outcomes: list[Outcome] = []

    async def shown() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(display.show, setting.progress)
            outcomes.append(await LocalEngine(job, folder, setting).run())
            tasks.cancel_scope.cancel()

    try:
        anyio.run(shown)
    except RuntimeError:
        # asyncio ends its threads in one more, and the system may refuse that one.
        if not outcomes:
            raise
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is not None:
            # Before signals are watched, or when all is written: it ends here.
            raise KeyboardInterrupt from group
        raise _first_of(group, log) from group
    except StorageError as error:
        raise _with_the_way_on(error) from error
    return outcomes[0]


def _first_of(
    group: BaseExceptionGroup[BaseException], log: logging.Logger
) -> Exception:
    """Return the error that a user can do something about, else where the rest is."""
    error = _first(group, StorageError) or _first(group, BatchgenError)
    if error is None and (failed := _first(group, OSError)) and failed.filename:
        # Only the file system names a file: a look at the run folder met its fault.
        error = StorageError(message_for(failed))
    if isinstance(error, StorageError):
        return _with_the_way_on(error)
    if error is not None:
        return error
    log.error("crashed", exc_info=group)
    try:
        check_last_opened()
    except StorageError as damage:
        return damage
    return BatchgenError(
        "a fault of batchgen itself; run.log in the run folder has the details. "
        f"Nothing is lost; carry on:\n  {this_command()}"
    )


def _first(group: BaseExceptionGroup[BaseException], kind: type[E]) -> E | None:
    """Return the first error of a kind in a group, however deep it lies."""
    matching: BaseException | None = group.subgroup(kind)
    while isinstance(matching, BaseExceptionGroup):
        matching = matching.exceptions[0]
    return matching if isinstance(matching, kind) else None


def _with_the_way_on(error: StorageError) -> StorageError:
    if isinstance(error, LedgerMissing):
        return error  # the same command would be refused again
    words = (
        "what was stored is kept, and what was on its way stands as at risk; "
        "when it is mended, carry on"
    )
    return type(error)(f"{error}\n{words}:\n  {this_command()}")


def ask(estimate: Estimate) -> None:
    """Ask whether to spend; without a terminal that is a no."""
    price = f"about {dollars(estimate.usd)}"
    if estimate.unpriced:
        unpriced = f"{counted(estimate.unpriced, 'row')} whose price nobody knows"
        price = f"{price} and {unpriced}" if estimate.usd else unpriced
    rows, images = counted(estimate.rows, "row"), counted(estimate.images, "image")
    words = f"{rows} to be bought, {images}, for {price}"
    is_asked = sys.stdin.isatty() and sys.stderr.isatty() and not speaks_json_lines()
    if not is_asked:
        raise UsageError(
            f"{words}. Say --max-cost USD for a budget, or --yes. Nothing was sent"
        )
    # While it asks, Ctrl-C must end it: the run's own handler only makes a note.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    # Nor must the event loop hear of it: a second one would end the process at once.
    loop_fd = signal.set_wakeup_fd(-1)
    try:
        agreed = click.confirm(f"{words}. Spend it?", err=True)
    except (KeyboardInterrupt, click.Abort):
        write_error("")  # behind what the terminal shows of Ctrl-C
        agreed = False
    finally:
        signal.set_wakeup_fd(loop_fd)
        signal.signal(signal.SIGINT, before)
    if not agreed:
        raise UsageError("not agreed. Nothing was sent")


def stop_at_once(
    left: Mapping[State, OpenAttempts] | None, *, pretend: bool = False
) -> None:
    """Say what a second signal leaves as it ends the process, and how to carry on."""
    words = stopped_now_line(left, pretend=pretend)
    write_notice(f"{words}. To carry on:\n  {this_command()}")
