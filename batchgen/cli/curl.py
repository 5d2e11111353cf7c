"""`batchgen curl`: the request of one row as a command, the key as a shell variable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import click

from batchgen.addresses import parent_of
from batchgen.addresses import shown as shown_reference
from batchgen.admission.next_step import missing_parts
from batchgen.cli.curl_command import REPLY, Script
from batchgen.cli.formatting import counted
from batchgen.cli.options import job_options, overrides_of, read_job, source_argument
from batchgen.errors import SpecError, UsageError
from batchgen.ledger import PlanEntry
from batchgen.ledger.row_matching import REPEATED
from batchgen.manifest.embedded import ImageStore
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.wording import files_shown
from batchgen.model import Job
from batchgen.planning.plan_entries import plan_entry
from batchgen.planning.routing import Router
from batchgen.providers import PROVIDERS
from batchgen.providers.base import Endpoint
from batchgen.runner.access import base_url_of, prices_of
from batchgen.runner.notices import address_notice


@click.command("curl")
@source_argument
@click.option(
    "--row",
    type=click.IntRange(min=0),
    required=True,
    metavar="N",
    help="Position in the manifest, from 0.",
)
@job_options
def command(sources: tuple[Path | str, ...], row: int, **options: Any) -> None:
    """Print the request of one row of SOURCE as a curl command; send nothing.

    The key stays a shell variable; none is read. A reference that is a URL is looked
    at if its provider takes only bytes, for its type stands in the request.
    """
    source, *more = sources
    job = read_job(source, overrides_of(options), more=more)
    click.echo(anyio.run(command_of, job, row))


async def command_of(job: Job, row: int, may_fetch: bool = True) -> str:  # noqa: FBT001, FBT002 - anyio.run takes positions alone
    """Return what sends the first request that the runner would send for a row.

    Args:
        job: The job.
        row: Position in the manifest.
        may_fetch: Whether a reference that is a URL may be looked at.

    Raises:
        UsageError: there is no such row.
        SpecError: the row cannot run, or nobody knows where its provider is.
    """
    with TemporaryDirectory(prefix="batchgen-curl-") as folder:
        # Images that stand in the table; the run folder is left as it is.
        job = replace(job, image_folder=Path(folder))
        return await _command_of(job, row, may_fetch)


async def _command_of(job: Job, row: int, may_fetch: bool) -> str:  # noqa: FBT001 - as above
    entry = entry_at(job, row)
    request = entry.request
    problem = f"{_where(job, entry)}: {problem_of(entry)}"
    if entry.problem is not None:  # even where a request could be made of the row
        raise SpecError(problem)
    if request is None or entry.provider is None or entry.model is None:
        raise SpecError(problem)
    for reference in request.references:
        if parent_of(reference) is not None:
            raise SpecError(
                f"{_where(job, entry)}, column `references`: "
                f"{shown_reference(reference)} is an image that a run makes: name its "
                "file instead, or show the request of that row"
            )
    provider = PROVIDERS[entry.provider]
    capabilities = job.terms_of(provider.name).adapt(provider.capabilities)
    script = Script(job, provider, _endpoint(job, provider.name), may_fetch)
    payloads = await script.prepare(request, capabilities.references)
    parts = list(
        missing_parts(0, request.n, set(), (), capabilities.images_per_request)
    )
    purchase = replace(request, resolution=entry.resolution, n=parts[0].images)
    call = provider.encode(purchase, entry.model, script.endpoint, payloads)
    about = [f"# row {row}, {provider.name}: what comes back is written to ./{REPLY}"]
    if (notice := address_notice(job, provider)) is not None:
        about.append(f"# {notice}")
    if len(parts) > 1:
        times = counted(len(parts), "request")
        about.append(f"# the first of {times} for the row's {request.n} images")
    if entry.warning:
        about.append(f"# {entry.warning}")
    return "\n".join([*about, *script.lines(call)])


# -- the row


def entry_at(job: Job, row: int) -> PlanEntry:
    """Return a row as `run` would plan it, or with what stands in the way.

    Raises:
        UsageError: there is no such row.
        SpecError: the manifest cannot be read.
    """
    manifest = Manifest.open(job)
    router = Router.of(job, PROVIDERS, prices_of(job))
    ids: set[str] = set()
    rows = 0
    for part in manifest.slices():
        for each in part.rows:
            if each.position == row:
                entry = plan_entry(each, router)
                if each.id in ids:
                    entry = replace(
                        entry, request=None, at_column=job.columns.get("id", "id")
                    )
                    return replace(entry, problem=REPEATED)
                return entry
            if each.id is not None:
                ids.add(each.id)
            rows += 1
        if job.image_folder is not None:  # a place of its own, not the run folder
            ImageStore(job.image_folder).clear()
    where = files_shown(job.tables)
    raise UsageError(f"{where} has rows 0 to {rows - 1}, no row {row}")


def problem_of(entry: PlanEntry) -> str:
    """Return what stands in the way of a row."""
    column = f"`{entry.at_column}`: " if entry.at_column else ""
    return f"{column}{entry.problem}"


def _where(job: Job, entry: PlanEntry) -> str:
    line = "" if entry.line is None else f", line {entry.line}"
    return f"{files_shown(job.tables)}, row {entry.position}{line}"


def _endpoint(job: Job, name: str) -> Endpoint:
    base_url = base_url_of(job, name)
    if base_url is None:
        raise SpecError(f"{name} publishes no address: give one with --base-url")
    return Endpoint(base_url.rstrip("/"), token_hex(16), job.terms_of(name).endpoint)
