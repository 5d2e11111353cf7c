"""`batchgen try`: one image now, through the same engine and ledger as a run."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import anyio
import click
import pyarrow as pa
import pyarrow.parquet as pq

from batchgen.addresses import is_local, is_url
from batchgen.api.folders import Folder
from batchgen.cli.carry_on import replace_current_command
from batchgen.cli.curl import command_of, entry_at, problem_of
from batchgen.cli.display import choose_display
from batchgen.cli.formatting import NO_MONEY, may_have_been_charged, money_lines
from batchgen.cli.messages import write_error, write_result
from batchgen.cli.options import (
    overrides_of,
    read_job,
    rehearsal_options,
    run_options_of,
    setting_options,
)
from batchgen.cli.run_job import launch
from batchgen.cli.summary import RehearsalResult, causes_in, finish, show_real_run
from batchgen.errors import BatchgenError, StorageError, UsageError
from batchgen.job.user_defaults import default_provider
from batchgen.ledger import Reader
from batchgen.manifest.reference_cell import split_references
from batchgen.manifest.wording import shown
from batchgen.model import Job, ResultRow, Status, dollars
from batchgen.output import ARCHIVE
from batchgen.providers import PROVIDERS
from batchgen.runner.access import base_url_of
from batchgen.runner.config import RunResult
from batchgen.runner.folder import LEDGER
from batchgen.runner.job_checks import check_zero_budget

JOB = "job.toml"
MANIFEST = "prompt.parquet"
ROW = "0"
"""Id of the only row: a table without ids names its rows by position."""

FOLDER = Path("out/try")
NAME_CHARACTERS = 40

_TEXTS = {
    "model": "Model; the provider's own by default.",
    "base_url": "Where the provider is.",
    "aspect_ratio": "The provider's own by default.",
    "resolution": "512, 1K, 2K or 4K; the provider's own by default.",
    "out": "A new folder for it.",
    "max_cost": "Spend at most this.",
    "price": "Price of one image.",
}
"""Settings that are options here, too, and what `-h` says of them."""

_IN_JOB = ("provider", *(name for name in _TEXTS if name not in ("out", "base_url")))
"""Options that the job file states unchanged."""


def _provider_or_default(
    context: click.Context, parameter: click.Parameter, provider: str | None
) -> str:
    provider = provider or default_provider()
    if provider is None:
        raise click.MissingParameter(ctx=context, param=parameter)
    return provider


@click.command("try")
@click.argument("prompt")
@click.option(
    "--provider",
    type=click.Choice(list(PROVIDERS)),
    callback=_provider_or_default,
    help="Who makes the image.",
)
@setting_options(_TEXTS)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="FILE|URL",
    help="An image to go by; may be given again.",
)
@click.option("--yes", is_flag=True, help="Consent to spend without a budget.")
@rehearsal_options
@click.pass_context
def command(
    context: click.Context,
    /,
    prompt: str,
    references: tuple[str, ...],
    out: Path | None,
    **options: Any,
) -> None:
    """Make one image of PROMPT now; show file, cost, time and the curl command.

    PROMPT is sent as it is. The exit codes are those of `run`.
    """
    run_options = run_options_of(options)
    try:
        single_references = _split_references(references)
    except ValueError as error:
        raise UsageError(f"--reference: {error}") from error
    with _new_folder(out) as folder:
        source = folder / JOB
        _write_manifest(folder, prompt, single_references)
        _write_job(source, options, single_references)
        # Without the prompt, which would be a template there.
        overrides = overrides_of(options | {"out": folder})
        job = read_job(source, overrides, rehearse=run_options.rehearse)
        check_zero_budget(job, overrides)
        entry = entry_at(job, 0)
        if entry.problem is not None:
            raise UsageError(problem_of(entry))
        base_url = job.terms_of(options["provider"]).base_url
        _write_job(source, options, single_references, base_url)
        replace_current_command(*_carry_on_arguments(folder, options))
        display = choose_display(quiet=False, json_lines=False)
        end = partial(_end, requested_job=job)
        context.exit(launch(job, run_options, display, end))


# -- the job


@contextmanager
def _new_folder(path: Path | None) -> Iterator[Path]:
    """Make a folder, and remove it afterwards if nothing was bought in it."""
    folder = _fresh_name() if path is None else path
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--out: {folder} is there already; name a new folder")
    above = [path for path in folder.absolute().parents if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder.resolve()
    finally:
        if not _has_purchases(folder):
            shutil.rmtree(folder)
            for empty in above:
                with suppress(OSError):  # another `try` may use it by now
                    empty.rmdir()


def _fresh_name() -> Path:
    name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(path for each in names if not (path := FOLDER / each).exists())


def _has_purchases(folder: Path) -> bool:
    if not (folder / LEDGER).is_file():
        return False
    with closing(Reader(folder / LEDGER)) as ledger:
        return ledger.has_attempts()


def _write_manifest(folder: Path, prompt: str, references: Sequence[str]) -> None:
    # Parquet: it can hold any text, and lists.
    row = {
        "prompt": prompt,
        "references": [_absolute(reference) for reference in references],
        "filename": _name_of(prompt),
    }
    text = pa.string()
    schema = pa.schema({"prompt": text, "references": pa.list_(text), "filename": text})
    pq.write_table(pa.Table.from_pylist([row], schema), folder / MANIFEST)


def _split_references(references: Sequence[str]) -> list[str]:
    """Return references one by one, split as in a cell, but never a file's name."""
    single_references: list[str] = []
    for reference in references:
        is_file = not is_url(reference) and _file_exists(reference)
        single_references += (
            [reference] if is_file else split_references(reference, _file_exists)
        )
    return single_references


def _file_exists(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # the name is too long, or has a NUL
        return False


def _is_file(reference: str) -> bool:
    return is_local(reference) or _file_exists(reference)


def _absolute(reference: str) -> str:
    return str(Path(reference).resolve()) if _is_file(reference) else reference


def _name_of(prompt: str) -> str:
    return re.sub(r"\W+", "-", prompt[:NAME_CHARACTERS]).strip("-").lower() or "image"


def _write_job(
    source: Path,
    options: Mapping[str, Any],
    references: Sequence[str],
    base_url: str | None = None,
) -> None:
    """Write the job file with which the purchase can be carried on."""
    settings = {name: options[name] for name in _IN_JOB if options[name] is not None}
    settings = {"manifest": MANIFEST, "n": 1} | settings
    if base_url is not None:
        settings["base_url"] = base_url
    lines = [f"{name} = {_toml(value)}" for name, value in settings.items()]
    folders = [
        Path(_absolute(reference)).parent
        for reference in references
        if _is_file(reference)
    ]
    if folders:
        lines += ["", "[references]", f"folder = {_toml(os.path.commonpath(folders))}"]
    source.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _toml(value: object) -> str:
    # TOML reads JSON's escapes, except pairs of surrogates, which are not written.
    return json.dumps(value, ensure_ascii=False)


def _carry_on_arguments(folder: Path, options: Mapping[str, Any]) -> list[str]:
    arguments = ["run", shown(folder / JOB), "--out", shown(folder)]
    arguments += [f"--{name}" for name in ("rehearse", "yes") if options[name]]
    for name in ("faults", "seed"):
        if options[name] is not None:
            arguments += [f"--{name}", str(options[name])]
    return arguments


# -- how it ended


def _end(
    job: Job,
    result: RunResult,
    rehearsed: RehearsalResult | None,
    *,
    requested_job: Job,
) -> int:
    """Show the result; `requested_job` is the job before a rehearsal changed it."""
    folder = Folder.named(job.out)
    if folder.status.rows:
        row = folder.row(ROW)
        if row.status is Status.SUCCEEDED:
            write_result("\n".join([*_success(row, folder), ""]))
            write_result(_curl(requested_job, is_rehearsal=rehearsed is not None))
        else:
            _show_failure(row, result)
    show_real_run(rehearsed)
    return finish(job, result, causes_in(job, result))


def _success(row: ResultRow, folder: Folder) -> Iterator[str]:
    image, is_rehearsal = folder.image(row.id), folder.status.is_rehearsal
    file, content = folder.path / Path(image.name).name, image.content
    try:
        file.write_bytes(content)
    except OSError as error:
        safe = f"the image is safe in {folder.path / ARCHIVE}"
        raise StorageError(f"{file}: {error.strerror or error}; {safe}") from error
    size = f"{image.width_px}x{image.height_px}"
    yield f"file: {shown(file)} ({size}, {image.media_type}, {len(content):,} bytes)"
    cost = "unknown" if row.cost_usd is None else dollars(row.cost_usd)
    basis = row.cost_basis.replace("_", " ")
    if is_rehearsal:
        yield f"pretend cost: {cost} ({basis}; {NO_MONEY})"
    else:
        yield f"cost: {cost} ({basis})"
    if row.at_risk_usd:
        more = dollars(row.at_risk_usd, pretend=is_rehearsal)
        yield may_have_been_charged(more, row.at_risk_attempts)
    time = "unknown" if row.latency_s is None else f"{row.latency_s:.1f} s"
    yield f"time: {time}"
    if row.warning:
        yield f"warning: {row.warning}"


def _show_failure(row: ResultRow, result: RunResult) -> None:
    if row.status is not Status.PENDING:
        reason = f"{row.message} ({row.error})" if row.error else "no reason known"
        write_error(f"batchgen: {row.status}: {reason}")
    if result.totals is not None:
        write_result("\n".join(money_lines(result.totals)))


def _curl(job: Job, *, is_rehearsal: bool) -> str:
    """Return the same request as a curl command; a rehearsal fetches nothing for it."""
    if base_url_of(job, job.providers[0]) is None:
        return "curl: not known before --base-url says where the provider is"
    try:
        return f"the same by curl:\n{anyio.run(command_of, job, 0, not is_rehearsal)}"
    except BatchgenError as error:
        return f"no curl command: {error}"
