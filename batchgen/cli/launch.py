"""Run a job, and show how it goes meanwhile: in earnest, or as a rehearsal."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import anyio
import click

from batchgen.admission.reference_uploads import UNTRIED
from batchgen.cli.display import Display
from batchgen.cli.formatting import counted
from batchgen.cli.real_run import known_before, known_of_plan, needs_of
from batchgen.cli.run_options import End
from batchgen.cli.runfolder import these_words, this_command
from batchgen.cli.signals import default_ctrl_c, watch_signals
from batchgen.cli.streams import speaks_json_lines, write_error, write_notice
from batchgen.cli.summary import Rehearsed
from batchgen.errors import BatchgenError, LedgerMissing, StorageError, UsageError
from batchgen.ledger.estimate import Estimate
from batchgen.model import Job, dollars
from batchgen.open_files import raise_limit
from batchgen.runner.config import RunOptions, RunResult
from batchgen.runner.handle import RunHandle
from batchgen.runner.loop import run_loop
from batchgen.runner.session import (
    Caller,
    Crash,
    Session,
    open_session,
    plain_errors,
)

if TYPE_CHECKING:
    from batchgen.sandbox import SandboxProcess

# A thread that has written to the disk waits this long for a busy event loop, and all
# that it wrote for waits with it; Python's own 5 ms stood twice in each commit.
SWITCH_S = 0.0005


def launch(job: Job, options: RunOptions, display: Display, end: End) -> int:
    """Run a job, or carry on with it, and return the exit code.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    caller = Caller(
        notice=write_notice, ask=ask, handle=RunHandle(), command=these_words()
    )
    with open_session(job, options, caller) as session:
        if session.sandbox is None:
            return end(job, _run(session, display), None)
        sentences = known_before(job, session.job)
        for sentence in sentences:
            write_notice(sentence)
        result = _run(session, display)
        rehearsed = _rehearsed(job, options, session, session.sandbox, sentences)
        return end(session.job, result, rehearsed)


def _run(session: Session, display: Display) -> RunResult:
    """Run the engine until it ends, and show how it goes meanwhile.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    raise_limit()  # each purchase in flight has a socket
    gc.freeze()  # what lives as long as the process is 7 % of a run's CPU to collect
    sys.setswitchinterval(SWITCH_S)

    async def run_and_show() -> RunResult:
        async with anyio.create_task_group() as tasks:
            await tasks.start(watch_signals, session)
            # Not before it: the engine's first notices come before its first wait.
            tasks.start_soon(display.show, session.progress)
            result = await session.run()
            tasks.cancel_scope.cancel()
        return result

    try:
        with plain_errors(session.config.log):
            return run_loop(run_and_show)
    except Crash as crash:
        raise Crash(f"{crash}; carry on:\n  {this_command()}") from crash
    except StorageError as error:
        raise _with_the_way_on(error) from error


def _with_the_way_on(error: StorageError) -> BatchgenError:
    if isinstance(error, LedgerMissing):
        return error  # the same command would be refused again
    words = (
        "what was stored is kept, and what was on its way stands as at risk; "
        "when it is mended, carry on"
    )
    return type(error)(f"{error}\n{words}:\n  {this_command()}")


def _rehearsed(
    job: Job,
    options: RunOptions,
    session: Session,
    sandbox: SandboxProcess,
    sentences: list[str],
) -> Rehearsed:
    """Return what a rehearsal found out, besides what became of the rows."""
    # Only here: what is bought in earnest needs no sandbox.
    from batchgen.runner.rehearsal import keep_bills

    bill = keep_bills(job.out, sandbox)
    real_run = [
        *sentences,
        *needs_of(job, may_spend=options.yes),
        *known_of_plan(job, session.folder.ledger),
        *({UNTRIED} & session.progress.shown_once),
    ]
    return Rehearsed(bill, real_run)


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
    try:
        with default_ctrl_c():
            agreed = click.confirm(f"{words}. Spend it?", err=True)
    except (KeyboardInterrupt, click.Abort):
        write_error("")  # behind what the terminal shows of Ctrl-C
        agreed = False
    if not agreed:
        raise UsageError("not agreed. Nothing was sent")
