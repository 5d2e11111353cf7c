"""From what stands on the command line to a job, its folder, its prices and keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click

from batchgen.addresses.url import read_url
from batchgen.cli.job_checks import check_settings
from batchgen.cli.keys import key_problem, known_keys
from batchgen.cli.option_types import FolderType, NumberOrAuto
from batchgen.cli.runfolder import REHEARSAL
from batchgen.errors import SpecError, UsageError
from batchgen.job import load_job_with_options
from batchgen.job.declaration import Setting
from batchgen.job.settings import SETTINGS
from batchgen.model import Job, PriceList
from batchgen.provider import key_variable
from batchgen.providers import PROVIDERS
from batchgen.runner.own_address import is_own_address
from batchgen.wire import check_base_url, is_loopback_host

F = TypeVar("F", bound=Callable[..., Any])

Options = Mapping[str, Any]
"""Options as they were typed, by the names of settings."""


def job_options(function: F) -> F:
    """Add the options that can also stand in a job file."""
    for setting in reversed([*SETTINGS.values()]):
        if setting.help:
            function = _decorator(setting)(function)
    return function


def _decorator(setting: Setting) -> Callable[[F], F]:
    is_flag = setting.python_type is bool
    return click.option(
        setting.flag,
        setting.name,
        type=None if is_flag else _type_of(setting.python_type),
        metavar=setting.metavar or None,
        help=setting.help,
        multiple=setting.multiple,
        is_flag=is_flag,
        default=None,
    )


def _type_of(python_type: Any) -> Any:
    """Return the type of an option by the type of its setting."""
    types = get_args(python_type)
    if get_origin(python_type) is Literal:
        return click.Choice(types)
    if Literal["auto"] in types:
        return NumberOrAuto(types[0])
    if Path in types:
        return FolderType()
    return python_type if python_type in (int, float) else str


def overrides_of(values: Mapping[str, Any]) -> Options:
    """Return the job options that were typed, among a command's values."""
    return {
        name: value
        for name, value in values.items()
        if name in SETTINGS and value not in (None, ())
    }


def read_job(source: Path, overrides: Options, *, rehearse: bool = False) -> Job:
    """Read the job that SOURCE and options describe.

    Raises:
        SpecError: SOURCE is wrong.
        UsageError: an option is wrong.
    """
    job = load_job_with_options(source, overrides)
    if rehearse and "out" not in overrides:
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


def _check_base_url(url: str, job: Job, overrides: Options) -> None:
    try:
        check_base_url(url, allow_http=job.allow_http)
    except SpecError as error:
        if "base_url" in overrides:
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
    if name == "gemini" and os.environ.get("GOOGLE_API_KEY"):
        state += " (GOOGLE_API_KEY, which is set, is not read)"
    first, *rest = ways
    return f"{variable} {state}: {first} (or {', or '.join(rest)})"
