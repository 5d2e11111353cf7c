"""The run folder that a command means, and the command that carries on with it."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchgen.addresses.characters import visible
from batchgen.errors import (
    BatchgenError,
    BudgetReached,
    DayFull,
    DayTooSmall,
    LedgerMissing,
    UsageError,
)
from batchgen.job import load_job_with_options
from batchgen.ledger import Reader
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.manifest.wording import nearest
from batchgen.model.price import NANO
from batchgen.model.spending_limits import Limits
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.table_formats import TABLE_COPIES
from batchgen.providers import PROVIDERS
from batchgen.runner.folder import LEDGER, LOG, REHEARSAL_SUFFIX, read_ledger
from batchgen.runner.manifest_edits import rebuy_of
from batchgen.runner.shell_quoting import quoted_word

if TYPE_CHECKING:
    from batchgen.runner.config import RunResult

_OUTPUTS = (ARCHIVE, TABLE, PURCHASES, *TABLE_COPIES, LEDGER, LOG, "report.html")
_COMMAND = "batchgen.command"


def folder_of(run: Path) -> Path:
    """Return the run folder for RUN: the folder itself, or the SOURCE of its job.

    Raises:
        SpecError: there is no such run.
    """
    if run.is_dir():
        return run
    if not run.exists():
        raise UsageError(_no_run(run))
    if run.name in _OUTPUTS and (run.parent / LEDGER).exists():
        command = click.get_current_context().info_name
        raise UsageError(
            f"{run} is a file of a run folder: name the folder, as in "
            f"batchgen {command} {run.parent}"
        )
    any_provider = next(iter(PROVIDERS))
    try:
        job = load_job_with_options(run, {})
    except BatchgenError:
        job = load_job_with_options(run, {"provider": any_provider})
    rehearsal = job.out.with_name(job.out.name + REHEARSAL_SUFFIX)
    if not job.out.exists() and rehearsal.exists():
        return rehearsal
    return job.out


def _no_run(run: Path) -> str:
    message = f"no such run folder, job file or manifest: {run}"
    try:
        folders = sorted(path.parent for path in Path("out").glob(f"*/{LEDGER}"))
    except OSError:
        folders = []
    nearest_name = nearest(run.name, [folder.name for folder in folders])
    if nearest_name:
        return f"{message}; did you mean {Path('out') / nearest_name}?"
    if len(folders) == 1:
        return f"{message}; the run folder is {folders[0]}"
    examples = ", ".join(map(str, folders[:3]))
    usual = "below out/, as a rule: out/products"
    return f"{message}; run folders are {examples or usual}"


def current_command() -> str:
    """Return the command that carries on, as it was typed; it holds no key."""
    return join_arguments(current_arguments())


def current_arguments() -> list[str]:
    """Return the arguments of that command."""
    context = click.get_current_context(silent=True)
    arguments = context.meta.get(_COMMAND) if context else None
    return ["batchgen", *(arguments or sys.argv[1:])]


def replace_current_command(*arguments: str) -> None:
    """Make `current_command` return this command in place of the typed one."""
    click.get_current_context().meta[_COMMAND] = arguments


MAX_COST = "--max-cost"
PER_DAY = "--max-cost-per-day"
ONCE = ("--rebuy", "--keep")
"""Options that consent to one edit of the manifest, and must not cover the next."""

CENT = NANO // 100
SHARES_SHOWN = 5


def carry_on_command(ledger: Reader, required: Limits | None = None) -> str | None:
    """Return the command that carries on; None if the folder does not know it.

    A budget that stopped the last run is replaced by one that is large enough. Options
    that consent to an edit are dropped, unless rows of that edit still wait.

    Args:
        ledger: Of the folder.
        required: The budgets that are needed; None for those that stopped the last run.
    """
    arguments = stored_arguments(ledger)
    if arguments is None:
        return None
    if rebuy_of(ledger, EVERY_ROW, ledger.generation) is None:
        arguments = [argument for argument in arguments if argument not in ONCE]
    required = required or Limits.load(ledger.meta.budget_needed)
    if required.run is not None:
        arguments = _with_option(arguments, MAX_COST, amount(required.run))
    if required.day is not None:
        arguments = _with_option(arguments, PER_DAY, amount(required.day))
    return join_arguments(arguments)


def carry_on_after(folder: Path, result: RunResult) -> str:
    """Return the command that carries on after a run that has just ended in a folder.

    A ledger that was deleted or replaced during the run is not opened: SQLite would
    apply a journal to it that belongs to the old file.
    """
    has_ledger = (folder / LEDGER).is_file()
    if has_ledger and not isinstance(result.error, LedgerMissing):
        with closing(read_ledger(folder)) as ledger:
            return carry_on_command(ledger) or current_command()
    return current_command()


def _with_option(arguments: Sequence[str], option: str, value: str) -> list[str]:
    """Return a command that has an option with this value, and with no other one."""
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == option:
            next(rest, None)
        elif not argument.startswith(f"{option}="):
            others.append(argument)
    return [*others, option, value]


def amount(nano: int) -> str:
    """Return nano-dollars as an option takes them, rounded up to the cent."""
    cents = -(-nano // CENT)
    return f"{cents // 100}.{cents % 100:02}"


def budget_advice(error: BudgetReached, required: Limits, command: str) -> str:
    """Return what to do about a budget that is reached, with amounts.

    Args:
        error: Why the run ended.
        required: The budgets that all remaining rows need.
        command: As it was typed: settings of a job file are not in it.
    """
    is_day = isinstance(error, DayFull | DayTooSmall)
    parts = []
    if required.day is not None and is_day:
        parts.append(_raised(PER_DAY, "per_day", required.day, command))
    if required.run is not None:
        parts.append(_raised(MAX_COST, "max_cost", required.run, command))
    if column_values := list(_shares(required)):
        more = len(column_values) - SHARES_SHOWN
        raises = column_values[:SHARES_SHOWN] + (
            [f"and {more} more"] if more > 0 else []
        )
        parts.append(f"under [budget.by] in the job file raise {', '.join(raises)}")
    if not parts:
        return error.remedy
    later = "carry on then, or " if isinstance(error, DayFull) else ""
    return f"{later}{', and '.join(parts)}: enough for all that is left"


def _raised(option: str, key: str, nano: int, command: str) -> str:
    is_option = any(word.partition("=")[0] == option for word in shlex.split(command))
    place = "" if is_option else f" (`{key}` in the job file)"
    return f"raise {option} to {amount(nano)}{place}"


def _shares(required: Limits) -> Iterator[str]:
    for column, values in required.by.items():
        for value, nano in values.items():
            yield f"{column} {value!r} to {amount(nano)}"


BASE_URL = "--base-url"
ON_FINISH = "--on-finish"


def stored_arguments(ledger: Reader) -> list[str] | None:
    """Return the arguments of the last command of a folder.

    Anybody may have changed the ledger: anything but a plain `batchgen run` command is
    replaced by one that names SOURCE alone. None if the folder knows neither.
    """
    arguments = read_arguments(ledger.meta.command)
    if run_options(arguments) is not None:
        return arguments
    source = ledger.meta.source
    if source is None or visible(source) != source:
        return None
    path = os.path.normpath(ledger.path.parent / source)
    return ["batchgen", "run", os.path.relpath(path)]


def join_arguments(arguments: Sequence[str]) -> str:
    """Return a command as it can be pasted into a shell."""
    return " ".join(map(quoted_word, arguments))


def address_notes(command: str) -> Iterator[str]:
    """Yield what a stored command would do that somebody else may have put there.

    That is a key that is sent to an address, and a command that is run at the end.
    """
    arguments = shlex.split(command)
    for line in values_of(arguments, ON_FINISH):
        yield f"at its end it runs {line!r}: use it only if you know that command"
    addresses = list(values_of(arguments, BASE_URL))
    if not addresses:
        return
    from batchgen.providers import PROVIDERS

    providers = values_of(arguments, "--provider")
    names = [
        name for value in providers for name in value.split(",") if name in PROVIDERS
    ]
    for value in addresses:
        name, equals, url = value.partition("=")
        if not equals or name not in PROVIDERS:
            name, url = (names or [""])[0], value
        if not _is_own_url(name, url):
            whose = f"the key for {name}" if name else "a key"
            yield f"it sends {whose} to {url}: use it only if you know that address"


def read_arguments(stored: object) -> list[str] | None:
    """Read a stored command; None for anything else."""
    if not isinstance(stored, str):
        return None
    try:
        arguments = json.loads(stored)
    except (ValueError, RecursionError):
        with suppress(ValueError):
            return shlex.split(stored)  # older versions stored it so
        return None
    if isinstance(arguments, list) and all(isinstance(each, str) for each in arguments):
        return arguments
    return None


def run_options(arguments: Sequence[str] | None) -> Mapping[str, Any] | None:
    """Return the options of a plain `batchgen run` command; None for anything else."""
    if not arguments or tuple(arguments[:2]) != ("batchgen", "run"):
        return None
    asks_for_help = "-h" in arguments or "--help" in arguments  # click would print it
    if asks_for_help or any(visible(word) != word for word in arguments):
        return None
    from batchgen.cli.run import command  # that module imports this one

    try:
        with command.make_context("run", list(arguments[2:])) as context:
            return context.params
    except (click.ClickException, click.exceptions.Exit):
        return None


def values_of(arguments: Sequence[str], option: str) -> Iterator[str]:
    """Yield the values of an option in a command."""
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == option:
            yield following
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]


def _is_own_url(name: str, url: str) -> bool:
    import httpx

    from batchgen.planning.own_address import is_own_address
    from batchgen.providers import PROVIDERS

    try:
        return name in PROVIDERS and is_own_address(url, PROVIDERS[name].defaults)
    except httpx.InvalidURL:
        return False
