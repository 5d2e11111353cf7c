"""Options of commands, and the job that they and SOURCE describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click

from batchgen.cli.messages import write_notice
from batchgen.cli.option_types import FolderType, NumberOrAuto, SourceType
from batchgen.errors import SpecError, UsageError
from batchgen.job import load_job_with_options
from batchgen.job.declaration import Setting
from batchgen.job.settings import SETTINGS
from batchgen.job.user_defaults import defaults_path
from batchgen.manifest.wording import shown
from batchgen.model import Job
from batchgen.providers import PROVIDERS
from batchgen.runner.access import base_url_of, no_base_url
from batchgen.runner.config import RunOptions
from batchgen.runner.folder import REHEARSAL_SUFFIX
from batchgen.runner.job_checks import check_settings
from batchgen.wire import check_base_url

F = TypeVar("F", bound=Callable[..., Any])

Options = Mapping[str, Any]
"""Options as they were typed, by the names of settings."""


def job_options(function: F) -> F:
    """Add the options that can also stand in a job file."""
    texts = {name: setting.help for name, setting in SETTINGS.items() if setting.help}
    return setting_options(texts)(function)


def setting_options(texts: Mapping[str, str]) -> Callable[[F], F]:
    """Add the options of some settings, each with its text for `-h`."""

    def add(function: F) -> F:
        for name, text in reversed([*texts.items()]):
            function = _decorator(replace(SETTINGS[name], help=text))(function)
        return function

    return add


def source_argument(function: F) -> F:
    """Add SOURCE, of which tables may be several."""
    return click.argument(
        "sources", metavar="SOURCE...", nargs=-1, required=True, type=SourceType()
    )(function)


def rehearsal_options(function: F) -> F:
    """Add the options of a rehearsal."""
    for option in (
        click.option("--seed", type=int, help="Which requests go wrong (default 0)."),
        click.option(
            "--faults",
            type=click.Choice(["calm", "storm", "outage"]),
            help="What goes wrong in a rehearsal (default calm).",
        ),
        click.option(
            "--rehearse",
            is_flag=True,
            help="Practice run against a built-in fake provider: free, no key.",
        ),
    ):
        function = option(function)
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
        shell_complete=_complete_providers if setting.name == "provider" else None,
    )


def _complete_providers(
    _context: click.Context, _parameter: click.Parameter, text: str
) -> list[str]:
    """Return what the last of several providers could be, for the shell."""
    before, comma, last = text.rpartition(",")
    return [f"{before}{comma}{name}" for name in PROVIDERS if name.startswith(last)]


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


def read_job(
    source: Path | str,
    overrides: Options,
    *,
    rehearse: bool = False,
    more: Sequence[Path | str] = (),
    keeps: bool = False,
) -> Job:
    """Read the job that SOURCE and options describe.

    Args:
        source: A job file or a table; a text where it is no file.
        overrides: The options.
        rehearse: Whether the job is only rehearsed.
        more: Further tables that are read with the first as one.
        keeps: Whether a table that is no file is kept in the run folder.

    Raises:
        SpecError: SOURCE is wrong.
        UsageError: an option is wrong.
    """
    if isinstance(source, str):
        # Imported here: it can fetch from the web.
        from batchgen.cli.incoming import read_incoming_job

        job = read_incoming_job(source, overrides, rehearse=rehearse, keeps=keeps)
        if more:
            raise UsageError(f"{source} cannot be read together with other tables")
    else:
        job = load_job_with_options(source, overrides, more=_files(more))
    if job.from_defaults:
        write_notice(_defaults_notice(job))
    if rehearse and "out" not in overrides and not isinstance(source, str):
        job = replace(job, out=job.out.with_name(job.out.name + REHEARSAL_SUFFIX))
    for name in () if rehearse else job.providers:
        url = base_url_of(job, name)
        if url is None:
            raise no_base_url(job.source, name)
        _check_base_url(url, job, overrides)
    check_settings(job, overrides)
    return job


def _defaults_notice(job: Job) -> str:
    """Say what the user's defaults add, since no job and no option shows that."""
    keys = {setting.field: setting.key for setting in SETTINGS.values()}
    values = {"provider": f"provider {','.join(job.providers)}"}
    added = [values.get(name, keys.get(name, name)) for name in job.from_defaults]
    return f"from {shown(defaults_path())}: {', '.join(added)}"


def _files(more: Sequence[Path | str]) -> Sequence[Path]:
    for source in more:
        if isinstance(source, str):
            raise UsageError(f"{source} cannot be read together with other tables")
        if not source.exists():
            # Imported here: for what is odd alone.
            from batchgen.cli.usage import odd_source_problem

            command = click.get_current_context().info_name or "run"
            if problem := odd_source_problem(str(source), command):
                raise UsageError(problem)
    return [Path(source) for source in more]


def _check_base_url(url: str, job: Job, overrides: Options) -> None:
    try:
        check_base_url(url, allow_http=job.allow_http)
    except SpecError as error:
        if "base_url" in overrides:
            raise UsageError(str(error)) from error
        raise


def run_options_of(values: Mapping[str, Any]) -> RunOptions:
    """Return the options of running among a command's values.

    Raises:
        UsageError: they contradict each other.
    """
    names = {option.name for option in fields(RunOptions)}
    options = RunOptions(
        **{name: value for name, value in values.items() if name in names}
    )
    options.check(lambda name: f"--{name}")
    return options
