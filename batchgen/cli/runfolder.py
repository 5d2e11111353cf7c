"""The run folder that a command means, and the command that carries on with it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from batchgen.cli.stored_command import join_words
from batchgen.errors import BatchgenError, UsageError
from batchgen.job import load_job_with_options
from batchgen.manifest.wording import nearest
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.providers import PROVIDERS
from batchgen.runner.folder import LEDGER, LOG, REHEARSAL_SUFFIX

_OUTPUTS = (ARCHIVE, TABLE, PURCHASES, LEDGER, LOG, "report.html")
_COMMAND = "batchgen.command"


def folder_of(run: Path) -> Path:
    """Return the run folder that RUN means: a folder, or a SOURCE that stands for it.

    Raises:
        SpecError: there is no such run.
    """
    if run.is_dir():
        return run
    if not run.exists():
        raise UsageError(_no_run(run))
    if run.name in _OUTPUTS and (run.parent / LEDGER).exists():
        command = click.get_current_context().info_name
        raise UsageError(
            f"{run} is a file of a run folder: name the folder, as in "
            f"batchgen {command} {run.parent}"
        )
    any_provider = next(iter(PROVIDERS))
    try:
        job = load_job_with_options(run, {})
    except BatchgenError:
        job = load_job_with_options(run, {"provider": any_provider})
    rehearsal = job.out.with_name(job.out.name + REHEARSAL_SUFFIX)
    if not job.out.exists() and rehearsal.exists():
        return rehearsal
    return job.out


def _no_run(run: Path) -> str:
    message = f"no such run folder, job file or manifest: {run}"
    try:
        folders = sorted(path.parent for path in Path("out").glob(f"*/{LEDGER}"))
    except OSError:
        folders = []
    near = nearest(run.name, [folder.name for folder in folders])
    if near:
        return f"{message}; did you mean {Path('out') / near}?"
    if len(folders) == 1:
        return f"{message}; the run folder is {folders[0]}"
    there = ", ".join(map(str, folders[:3]))
    return (
        f"{message}; run folders are {there or 'below out/, as a rule: out/products'}"
    )


def this_command() -> str:
    """Return the command that carries on: as it was typed; it holds no key."""
    return join_words(these_words())


def these_words() -> list[str]:
    """Return the words of that command."""
    context = click.get_current_context(silent=True)
    message = context.meta.get(_COMMAND) if context else None
    return ["batchgen", *(message or sys.argv[1:])]


def carry_on_by(*message: str) -> None:
    """Let `this_command` return another command than the one that was typed."""
    click.get_current_context().meta[_COMMAND] = message
