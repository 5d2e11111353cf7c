"""The job of a table that is no file: from the standard input, or from the web."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from batchgen.cli.messages import write_notice
from batchgen.errors import UsageError
from batchgen.job import load_job_with_options
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job
from batchgen.runner.folder import REHEARSAL_SUFFIX
from batchgen.runner.incoming_table import STDIN, copy_table, stem_of


def read_incoming_job(
    source: str, overrides: Mapping[str, Any], *, rehearse: bool, keeps: bool
) -> Job:
    """Copy a table and read its job; paths in its cells begin where the user is.

    Args:
        source: `-` or an address.
        overrides: The options.
        rehearse: Whether the job is only rehearsed.
        keeps: Whether the copy stays in the run folder; else it lasts as long as the
            command.

    Raises:
        SpecError: the table cannot be read.
        UsageError: an option is wrong, or `--out` is missing.
    """
    out = _run_folder(source, overrides, rehearse=rehearse, is_needed=keeps)
    passing = None if keeps else _passing_folder()

    def job_of(path: Path) -> Job:
        job = load_job_with_options(path, {**overrides, "out": str(out)})
        return replace(job, base_folder=Path.cwd())

    def check(path: Path) -> None:
        Manifest.open(job_of(path))

    path, notice = copy_table(source, out, sys.stdin.buffer, passing, check)
    if notice is not None:
        write_notice(notice)
    return job_of(path)


def _run_folder(
    source: str, overrides: Mapping[str, Any], *, rehearse: bool, is_needed: bool
) -> Path:
    if out := overrides.get("out"):
        return Path(out)
    if source == STDIN and is_needed:
        raise UsageError(
            "a table from the standard input has no name for its run folder: say "
            "--out, as in --out out/products"
        )
    name = "stdin" if source == STDIN else stem_of(source)
    return Path("out") / (name + REHEARSAL_SUFFIX * rehearse)


def _passing_folder() -> Path:
    folder = TemporaryDirectory(prefix="batchgen-table-")
    click.get_current_context().call_on_close(folder.cleanup)
    return Path(folder.name)
