"""`batchgen recover`: build a new ledger from ZIP, tables and log; sends nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from batchgen.addresses.url import read_url
from batchgen.cli.carry_on import (
    ONCE,
    address_notes,
    current_arguments,
    current_command,
    folder_of,
    read_arguments,
    replace_current_command,
    run_options,
)
from batchgen.cli.json_writer import exact_json, tagged
from batchgen.cli.options import Options, job_options, overrides_of
from batchgen.cli.recover_output import fields_of, lines_of
from batchgen.errors import SpecError, UsageError
from batchgen.job import load_job_with_options
from batchgen.ledger import REHEARSAL
from batchgen.model import Job
from batchgen.providers import PROVIDERS
from batchgen.runner.access import mode_of, prices_of
from batchgen.runner.recover import (
    Recovery,
    Remains,
    read_remains,
    recover_folder,
)
from batchgen.wire import is_loopback_host


@click.command("recover")
@click.argument("run", type=click.Path(path_type=Path))
@job_options
@click.option("--rehearse", is_flag=True, help="The folder of SOURCE's rehearsals.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def command(*, rehearse: bool, as_json: bool, **options: Any) -> None:
    """Build a new ledger for RUN, whose own (run.db) was lost or is damaged.

    RUN is a run folder, or the SOURCE that it belongs to. Give the options that the run
    had (such as --prompt or --id): rows are read as the run read them. What was bought
    is read from images.zip, results.parquet, attempts.parquet, run.log and kept/.

    Nothing is sent, no key is needed, and no file is changed: what is left of the old
    ledger stays beside the new one, as run.db.lost-1. Afterwards `batchgen run` carries
    on.

    Exit codes: 0 the ledger is built; 2 there is nothing to recover, or more is to be
    said; 1 it cannot be built.
    """
    run: Path = options["run"]
    overrides = overrides_of(options)
    folder = _folder(run, overrides, rehearse=rehearse)
    remains = read_remains(folder)
    source = _source(run, remains)
    logged = read_arguments(remains.events.command) if run.is_dir() else None
    logged_options = run_options(logged)
    if logged_options is not None:
        overrides = {**overrides_of(logged_options), **overrides}
    job = _job(source, {**overrides, "out": folder.resolve()}, remains)
    mode = remains.mode or _mode_of(job, remains)
    if logged is None or logged_options is None:
        _remember_command(run, source, job, overrides, is_rehearsal=mode == REHEARSAL)
    else:
        replace_current_command(*(word for word in logged[1:] if word not in ONCE))
    recovery = Recovery(
        job=job,
        providers=PROVIDERS,
        # A rehearsal's prices are its sandbox's own.
        prices={} if mode == REHEARSAL else prices_of(job),
        mode=mode,
        command=json.dumps(current_arguments()),
    )
    report = recover_folder(recovery, remains)
    if as_json:
        fields = fields_of(folder, report, current_command())
        click.echo(exact_json(tagged("recover", fields)))
    else:
        notes = address_notes(current_command())
        click.echo("\n".join([*lines_of(folder, report, current_command()), *notes]))


def _folder(run: Path, overrides: Options, *, rehearse: bool) -> Path:
    if run.is_dir() and "out" in overrides:
        raise UsageError(
            "RUN is a folder, and --out names another one: name the folder alone, or "
            "SOURCE with --out"
        )
    if not run.is_dir() and "out" in overrides and run.exists():
        folder = Path(overrides["out"]).resolve()
    else:
        folder = folder_of(run)
    if rehearse and not run.is_dir() and "out" not in overrides:
        rehearsals = folder.with_name(f"{folder.name}-rehearsal")
        folder = rehearsals if rehearsals.is_dir() else folder
    if not folder.is_dir():
        raise UsageError(
            f"there is no run folder {folder}: name it, or SOURCE with the --out that "
            "the run had"
        )
    return folder


def _source(run: Path, remains: Remains) -> Path:
    source = remains.source
    if not run.is_dir():
        if source is not None and source.exists() and not source.samefile(run):
            raise UsageError(
                f"{remains.folder} belongs to {source}, not to {run}: name that one, "
                "or another folder with --out. Nothing was changed"
            )
        return run
    if source is not None and source.exists():
        return source
    why = "no file in it names" if source is None else f"it belongs to {source},"
    what = "its SOURCE" if source is None else "which is not there"
    raise UsageError(
        f"{remains.folder}: {why} {what}. Name the job file or the manifest, with the "
        f"options of the run: batchgen recover SOURCE --out {remains.folder}"
    )


def _job(source: Path, overrides: Options, remains: Remains) -> Job:
    """Read the job; its providers may follow from the folder."""
    try:
        return load_job_with_options(source, overrides)
    except SpecError:
        names = [name for name in remains.providers if name in PROVIDERS]
        if "provider" in overrides or not names:
            raise
    return load_job_with_options(source, {**overrides, "provider": ",".join(names)})


def _mode_of(job: Job, remains: Remains) -> str:
    urls = remains.urls
    if not urls:
        return mode_of(job)
    is_here = all(is_loopback_host(read_url(url).host) for url in urls)
    return "loopback" if is_here else "real"


def _remember_command(
    run: Path, source: Path, job: Job, overrides: Options, *, is_rehearsal: bool
) -> None:
    """Make `current_command` return the command that carries on."""
    arguments = sys.argv[2:]
    arguments = [
        word for word in arguments if word not in (str(run), "--json", "--rehearse")
    ]
    if "provider" not in overrides and source.suffix.lower() != ".toml":
        arguments += ["--provider", ",".join(job.providers)]
    if run.is_dir():
        arguments += ["--out", str(run)]
    if is_rehearsal:
        arguments.append("--rehearse")
    replace_current_command("run", str(source), *arguments)
