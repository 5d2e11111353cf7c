"""From what stands on the command line to a job and its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from batchgen.cli.auto import NumberOrAuto
from batchgen.cli.folder_option import FolderType
from batchgen.cli.runfolder import REHEARSAL
from batchgen.engines.access import base_url_of, no_base_url
from batchgen.engines.job_checks import check_settings
from batchgen.errors import SpecError, UsageError
from batchgen.job import Overrides, load_job
from batchgen.model import Job
from batchgen.providers import PROVIDERS
from batchgen.wire import check_base_url

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--provider", metavar="NAME[,NAME]", help="Who makes the images."),
    click.option("--model", help="Model; the provider's own by default."),
    click.option(
        "--base-url", multiple=True, metavar="[NAME=]URL", help="Where a provider is."
    ),
    click.option("--out", type=FolderType(), metavar="DIR", help="The run folder."),
    click.option(
        "--prompt",
        metavar="TEMPLATE",
        help="Text with columns in it (Jinja2), such as 'Photo of {{ title }}'.",
    ),
    click.option(
        "--id",
        "id_column",
        metavar="COLUMN",
        help="Column that names the rows, whatever else is edited.",
    ),
    click.option("--aspect-ratio", metavar="W:H", help="Default for empty cells."),
    click.option("--resolution", help="512, 1K, 2K or 4K: default for empty cells."),
    click.option("--n", type=int, help="Images of a row: default for empty cells."),
    click.option(
        "--rpm",
        type=NumberOrAuto(float),
        help="Purchase requests per minute, at most.",
    ),
    click.option(
        "--concurrency",
        type=NumberOrAuto(int),
        help="Purchases under way at once; `auto` finds the limit, as for --rpm.",
    ),
    click.option(
        "--max-cost",
        metavar="USD",
        help="Spend at most this in the run folder, all its runs together.",
    ),
    click.option(
        "--max-cost-per-day", metavar="USD", help="Spend at most this on one day (UTC)."
    ),
    click.option(
        "--on-day-full",
        type=click.Choice(["stop", "wait"]),
        help="When the day's budget is used up: stop (default), or wait for the next "
        "day (UTC).",
    ),
    click.option("--price", metavar="USD", help="Price of one image."),
    click.option(
        "--route",
        type=click.Choice(["cheapest", "fastest"]),
        help="How rows are spread over several providers.",
    ),
    click.option(
        "--dedupe",
        is_flag=True,
        default=None,
        help="Buy rows with the same prompt and options once; the others point to "
        "those images.",
    ),
    click.option(
        "--max-attempts", type=int, help="How often to buy one part of a row, at most."
    ),
    click.option(
        "--empty",
        type=click.Choice(["buy", "skip"]),
        help="Rows that lack a value which the template uses: buy them all the same, "
        "or leave them out.",
    ),
    click.option(
        "--on-unknown",
        type=click.Choice(["retry", "hold"]),
        help="What to do after a request that may have been charged but brought no "
        "image: buy again (default), or hold the row.",
    ),
    click.option(
        "--max-unknown",
        type=int,
        help="How often to buy again when a request may have been charged but "
        "brought no image.",
    ),
    click.option("--limit", type=int, help="Only the first N rows of the manifest."),
    click.option(
        "--grace",
        type=float,
        help="Seconds to wait after Ctrl-C for requests already sent (default 60).",
    ),
)


def job_options(function: F) -> F:
    """Add the options that can also stand in a job file."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def overrides_of(given: Mapping[str, Any]) -> Overrides:
    """Return the job options among a command's values."""
    names = {it.name for it in fields(Overrides)}
    return Overrides(**{name: value for name, value in given.items() if name in names})


def read_job(source: Path, overrides: Overrides, *, rehearse: bool = False) -> Job:
    """Read the job that SOURCE and options describe.

    Raises:
        SpecError: SOURCE is wrong.
        UsageError: an option is wrong.
    """
    job = load_job(source, overrides, tuple(PROVIDERS))
    if rehearse and overrides.out is None:
        job = replace(job, out=job.out.with_name(job.out.name + REHEARSAL))
    for name in () if rehearse else job.providers:
        url = base_url_of(job, name)
        if url is None:
            raise no_base_url(source, name)
        _check_base_url(url, job, overrides)
    check_settings(job, overrides)
    return job


def _check_base_url(url: str, job: Job, overrides: Overrides) -> None:
    try:
        check_base_url(url, allow_http=job.allow_http)
    except SpecError as error:
        if overrides.base_url:
            raise UsageError(str(error)) from error
        raise
