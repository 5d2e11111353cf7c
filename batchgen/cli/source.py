"""From what stands on the command line to a job, its folder, its prices and keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from batchgen.addresses.url import read_url
from batchgen.cli.auto import NumberOrAuto
from batchgen.cli.folder_option import FolderType
from batchgen.cli.job_checks import check_settings
from batchgen.cli.keys import key_problem, known_keys
from batchgen.cli.runfolder import REHEARSAL
from batchgen.errors import SpecError, UsageError
from batchgen.job import Overrides, load_job
from batchgen.model import Job, PriceList
from batchgen.providers import PROVIDERS, key_variable
from batchgen.runner.own_address import is_own_address
from batchgen.wire import check_base_url, is_loopback_host

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


def no_base_url(source: Path, name: str) -> SpecError:
    """Return the error that nobody says where a provider is."""
    kind = SpecError if source.suffix.lower() == ".toml" else UsageError
    return kind(
        f"{name} has no address that anybody documents: give the one that your account "
        f"names, by --base-url {name}=https://... or `base_url` in the job file"
    )


def _check_base_url(url: str, job: Job, overrides: Overrides) -> None:
    try:
        check_base_url(url, allow_http=job.allow_http)
    except SpecError as error:
        if overrides.base_url:
            raise UsageError(str(error)) from error
        raise


def base_url_of(job: Job, name: str) -> str | None:
    """Return where a provider is reached; None where nobody says it."""
    return job.terms_of(name).base_url or PROVIDERS[name].defaults.base_url


def realm_of(job: Job) -> str:
    """Return `loopback` when all chosen providers are on this machine, else `real`."""
    urls = [base_url_of(job, name) or "" for name in job.providers]
    if all(is_loopback_host(read_url(url).host) for url in urls):
        return "loopback"
    return "real"


def prices_of(job: Job) -> dict[str, PriceList]:
    """Return price lists by provider: the job's words stand above the provider's.

    At an address that is not the provider's own, its list does not hold.
    """
    prices: dict[str, PriceList] = {}
    for name, provider in PROVIDERS.items():
        terms = job.terms_of(name)
        is_own = is_own_address(terms.base_url, provider.defaults)
        prices[name] = (*terms.prices, *(provider.prices if is_own else ()))
    return prices


def read_keys(job: Job) -> dict[str, str]:
    """Return the keys that are set.

    Raises:
        SpecError: a chosen provider's key is not set, or surely is none; the text
            names the variable.
    """
    keys = known_keys()
    for name in job.providers:
        variable = key_variable(name)
        if name not in keys:
            raise SpecError(_no_key(job, name))
        is_real = not is_loopback_host(read_url(base_url_of(job, name) or "").host)
        is_own = is_own_address(job.terms_of(name).base_url, PROVIDERS[name].defaults)
        problem = key_problem(keys[name], is_real=is_real and is_own)
        if problem is not None:
            raise SpecError(f"{variable} {problem}. Nothing was sent")
    return keys


def _no_key(job: Job, name: str) -> str:
    variable = key_variable(name)
    state = "is empty" if variable in os.environ else "is not set"
    others = [other for other in job.providers if other != name]
    ways = [f"export {variable}=your-key, and run it again"]
    if others:
        ways.append(f"choose --provider {','.join(others)}")
    ways.append("add --rehearse: that needs no key and costs nothing")
    for other in PROVIDERS[name].defaults.unread_variables:
        if os.environ.get(other):
            state += f" ({other}, which is set, is not read)"
    first, *rest = ways
    return f"{variable} {state}: {first} (or {', or '.join(rest)})"
