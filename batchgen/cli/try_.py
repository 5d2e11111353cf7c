"""`batchgen try`: one image now, through the same engine and with the same books."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click
import pyarrow as pa
import pyarrow.parquet as pq

from batchgen.addresses import is_local, is_url
from batchgen.cli.carry_on import carry_on_by
from batchgen.cli.curl import command_of, entry_at, problem_of
from batchgen.cli.display import choose_display
from batchgen.cli.formatting import NO_MONEY, may_have_been_charged, money_lines
from batchgen.cli.messages import write_error, write_result
from batchgen.cli.option_types import FolderType
from batchgen.cli.options import overrides_of, read_job, run_options
from batchgen.cli.run_job import launch
from batchgen.cli.summary import Rehearsed, causes_in, finish, show_real_run
from batchgen.errors import BatchgenError, StorageError, UsageError
from batchgen.ledger import Reader
from batchgen.ledger.listed_images import directory_images
from batchgen.ledger.results import result_slices
from batchgen.manifest.reference_cell import split_references
from batchgen.manifest.wording import shown
from batchgen.model import Job, ResultRow, Status, dollars
from batchgen.output import ARCHIVE
from batchgen.output.archive import Archive
from batchgen.providers import PROVIDERS
from batchgen.runner.access import base_url_of
from batchgen.runner.config import RunResult
from batchgen.runner.folder import LEDGER, read_ledger
from batchgen.runner.job_checks import check_zero_budget

JOB = "job.toml"
MANIFEST = "prompt.parquet"
FOLDER = Path("out/try")
NAME_CHARACTERS = 40

# What the job file says as it was given.
_SETTINGS = ("provider", "model", "aspect_ratio", "resolution", "max_cost", "price")


@click.command("try")
@click.argument("prompt")
@click.option(
    "--provider",
    type=click.Choice(list(PROVIDERS)),
    required=True,
    help="Who makes the image.",
)
@click.option("--model", help="Model; the provider's own by default.")
@click.option("--base-url", multiple=True, metavar="URL", help="Where the provider is.")
@click.option("--aspect-ratio", metavar="W:H", help="The provider's own by default.")
@click.option("--resolution", help="512, 1K, 2K or 4K; the provider's own by default.")
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="FILE|URL",
    help="An image to go by; may be given again.",
)
@click.option("--out", type=FolderType(), metavar="DIR", help="A new folder for it.")
@click.option("--max-cost", metavar="USD", help="Spend at most this.")
@click.option("--price", metavar="USD", help="Price of one image.")
@click.option("--yes", is_flag=True, help="Consent to spend without a budget.")
@click.option(
    "--rehearse",
    is_flag=True,
    help="Practice run against a built-in fake provider: free, no key.",
)
@click.option(
    "--faults",
    type=click.Choice(["calm", "storm", "outage"]),
    help="What goes wrong in a rehearsal (default calm).",
)
@click.option("--seed", type=int, help="Which requests go wrong (default 0).")
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Make one image of PROMPT now; show file, cost, time and the curl command.

    PROMPT is sent as it is. The exit codes are those of `run`.
    """
    options = run_options(given)
    try:
        given["references"] = _parted(given["references"])
    except ValueError as error:
        raise UsageError(f"--reference: {error}") from error
    with _new_folder(given["out"]) as folder:
        source = folder / JOB
        _write_manifest(folder, given)
        source.write_text(_job_text(given, base_url=None), encoding="utf-8")
        # Without the prompt, which would be a template there.
        overrides = overrides_of(given | {"out": folder, "prompt": None})
        job = read_job(source, overrides, rehearse=options.rehearse)
        check_zero_budget(job, overrides)
        entry = entry_at(job, 0)
        if entry.problem is not None:
            raise UsageError(problem_of(entry))
        url = job.terms_of(given["provider"]).base_url
        source.write_text(_job_text(given, base_url=url), encoding="utf-8")
        carry_on_by(*_way_on(folder, given))
        display = choose_display(quiet=False, json_lines=False)
        context.exit(launch(job, options, display, partial(_end, asked=job)))


# -- the job


@contextmanager
def _new_folder(wanted: Path | None) -> Iterator[Path]:
    """Make a folder; one from which nothing was bought is taken away again."""
    folder = _fresh_name() if wanted is None else wanted
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--out: {folder} is there already; name a new folder")
    above = [path for path in folder.absolute().parents if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder.resolve()
    finally:
        if not _was_used(folder):
            shutil.rmtree(folder)
            for empty in above:
                with suppress(OSError):  # another `try` may use it by now
                    empty.rmdir()


def _fresh_name() -> Path:
    name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
    number = 1
    while (folder := FOLDER / (f"{name}-{number}" if number > 1 else name)).exists():
        number += 1
    return folder


def _was_used(folder: Path) -> bool:
    if not (folder / LEDGER).is_file():
        return False
    with closing(Reader(folder / LEDGER)) as ledger:
        return ledger.has_attempts()


def _write_manifest(folder: Path, given: Mapping[str, Any]) -> None:
    # Parquet, which holds any text and a list as they are.
    row = {
        "prompt": given["prompt"],
        "references": [_absolute(reference) for reference in given["references"]],
        "filename": _name_of(given["prompt"]),
    }
    lists = pa.list_(pa.string())
    schema = pa.schema(
        {"prompt": pa.string(), "references": lists, "filename": pa.string()}
    )
    pq.write_table(pa.Table.from_pylist([row], schema), folder / MANIFEST)


def _parted(references: Sequence[str]) -> list[str]:
    """Return references one by one, parted as in a cell; a file's name is none."""
    parted: list[str] = []
    for each in references:
        is_whole = not is_url(each) and _is_there(each)
        parted += [each] if is_whole else split_references(each, _is_there)
    return parted


def _is_there(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long a name, a NUL
        return False


def _is_file(reference: str) -> bool:
    return is_local(reference) or _is_there(reference)


def _absolute(reference: str) -> str:
    return str(Path(reference).resolve()) if _is_file(reference) else reference


def _name_of(prompt: str) -> str:
    return re.sub(r"\W+", "-", prompt[:NAME_CHARACTERS]).strip("-").lower() or "image"


def _job_text(given: Mapping[str, Any], base_url: str | None) -> str:
    """Return the job file with which the purchase can be carried on."""
    said = {name: given[name] for name in _SETTINGS if given[name] is not None}
    said = {"manifest": MANIFEST, "n": 1} | said
    if base_url is not None:
        said["base_url"] = base_url
    lines = [f"{name} = {_toml(value)}" for name, value in said.items()]
    folders = [
        Path(_absolute(reference)).parent
        for reference in given["references"]
        if _is_file(reference)
    ]
    if folders:
        lines += ["", "[references]", f"folder = {_toml(os.path.commonpath(folders))}"]
    return "\n".join([*lines, ""])


def _toml(value: object) -> str:
    # What JSON escapes TOML reads alike, as long as it is no pair of surrogates.
    return json.dumps(value, ensure_ascii=False)


def _way_on(folder: Path, given: Mapping[str, Any]) -> list[str]:
    words = ["run", shown(folder / JOB), "--out", shown(folder)]
    words += [f"--{name}" for name in ("rehearse", "yes") if given[name]]
    for name in ("faults", "seed"):
        if given[name] is not None:
            words += [f"--{name}", str(given[name])]
    return words


# -- how it ended


def _end(
    job: Job, result: RunResult, rehearsed: Rehearsed | None, *, asked: Job
) -> int:
    """Show what came of it; `asked` is the job before a rehearsal moved it."""
    with closing(read_ledger(job.out)) as ledger:
        found = next(result_slices(ledger, ARCHIVE), None)
        if found is not None:
            row = found[0][0]
            if row.status is Status.SUCCEEDED:
                write_result("\n".join([*_success(row, ledger, job.out), ""]))
                write_result(_curl(asked, is_rehearsal=rehearsed is not None))
            else:
                _tell_failure(row, result)
    show_real_run(rehearsed)
    return finish(job, result, causes_in(job, result))


def _success(row: ResultRow, ledger: Reader, folder: Path) -> Iterator[str]:
    image = next(directory_images(ledger))
    with Archive(folder / ARCHIVE, ledger.meta.archive_end) as archive:
        data = archive.read(image.place)
    file = folder / Path(image.name).name
    try:
        file.write_bytes(data)
    except OSError as error:
        words = f"{error.strerror or error}; the image is safe in {folder / ARCHIVE}"
        raise StorageError(f"{file}: {words}") from error
    size = f"{image.width_px}x{image.height_px}"
    yield f"file: {shown(file)} ({size}, {image.media_type}, {len(data):,} bytes)"
    cost = "unknown" if row.cost_usd is None else dollars(row.cost_usd)
    basis = row.cost_basis.replace("_", " ")
    if ledger.is_rehearsal:
        yield f"pretend cost: {cost} ({basis}; {NO_MONEY})"
    else:
        yield f"cost: {cost} ({basis})"
    if row.at_risk_usd:
        more = dollars(row.at_risk_usd, pretend=ledger.is_rehearsal)
        yield may_have_been_charged(more, row.at_risk_attempts)
    time = "unknown" if row.latency_s is None else f"{row.latency_s:.1f} s"
    yield f"time: {time}"
    if row.warning:
        yield f"warning: {row.warning}"


def _tell_failure(row: ResultRow, result: RunResult) -> None:
    if row.status is not Status.PENDING:
        reason = f"{row.message} ({row.error})" if row.error else "no reason known"
        write_error(f"batchgen: {row.status}: {reason}")
    if result.totals is not None:
        write_result("\n".join(money_lines(result.totals)))


def _curl(job: Job, *, is_rehearsal: bool) -> str:
    """Return the equal command; a rehearsal fetches nothing to make one."""
    if base_url_of(job, job.providers[0]) is None:
        return "curl: not known before --base-url says where the provider is"
    try:
        return f"the same by curl:\n{anyio.run(command_of, job, 0, not is_rehearsal)}"
    except BatchgenError as error:
        return f"no curl command: {error}"
