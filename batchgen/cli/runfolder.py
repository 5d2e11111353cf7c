"""The run folder that a command means, and the command that carries on with it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from batchgen.errors import BatchgenError, UsageError
from batchgen.job import Overrides, load_job
from batchgen.providers import PROVIDERS

REHEARSAL = "-rehearsal"
_COMMAND = "batchgen.command"


def folder_of(run: Path) -> Path:
    """Return the run folder that RUN means: a folder, or a SOURCE that stands for it.

    Raises:
        SpecError: there is no such run.
    """
    if run.is_dir():
        return run
    if not run.exists():
        raise UsageError(f"no such run folder, job file or manifest: {run}")
    any_provider = next(iter(PROVIDERS))
    try:
        job = load_job(run, Overrides(), tuple(PROVIDERS))
    except BatchgenError:
        job = load_job(run, Overrides(provider=any_provider), tuple(PROVIDERS))
    rehearsal = job.out.with_name(job.out.name + REHEARSAL)
    if not job.out.exists() and rehearsal.exists():
        return rehearsal
    return job.out


def this_command() -> str:
    """Return the command that carries on: as it was typed; it holds no key."""
    context = click.get_current_context(silent=True)
    words = context.meta.get(_COMMAND) if context else None
    return shlex.join(["batchgen", *(words or sys.argv[1:])])


def carry_on_by(*words: str) -> None:
    """Let `this_command` return another command than the one that was typed."""
    click.get_current_context().meta[_COMMAND] = words
