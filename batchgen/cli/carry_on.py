"""The run folder that a command means, and the command that carries on with it."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

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
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.providers import PROVIDERS
from batchgen.runner.edited import rebuy_of
from batchgen.runner.folder import LEDGER, LOG, REHEARSAL_SUFFIX, read_ledger
from batchgen.runner.needed import Needed, needed_in
from batchgen.runner.quoting import quoted_word

if TYPE_CHECKING:
    from batchgen.ledger import Reader
    from batchgen.runner.config import RunResult

_OUTPUTS = (ARCHIVE, TABLE, PURCHASES, LEDGER, LOG, "report.html")
_COMMAND = "batchgen.command"


def folder_of(run: Path) -> Path:
    """Return the run folder that RUN means: a folder, or a SOURCE that stands for it.

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
    near = nearest(run.name, [folder.name for folder in folders])
    if near:
        return f"{message}; did you mean {Path('out') / near}?"
    if len(folders) == 1:
        return f"{message}; the run folder is {folders[0]}"
    there = ", ".join(map(str, folders[:3]))
    return (
        f"{message}; run folders are {there or 'below out/, as a rule: out/products'}"
    )


def this_command() -> str:
    """Return the command that carries on: as it was typed; it holds no key."""
    return join_words(these_words())


def these_words() -> list[str]:
    """Return the words of that command."""
    context = click.get_current_context(silent=True)
    message = context.meta.get(_COMMAND) if context else None
    return ["batchgen", *(message or sys.argv[1:])]


def carry_on_by(*message: str) -> None:
    """Let `this_command` return another command than the one that was typed."""
    click.get_current_context().meta[_COMMAND] = message


MAX_COST = "--max-cost"
PER_DAY = "--max-cost-per-day"
ONCE = ("--rebuy", "--keep")
"""Consent to one edit of the manifest, which must not agree to the next one, too."""

CENT = NANO // 100
SHARES_SHOWN = 5


def carry_on_command(ledger: Reader, needed: Needed | None = None) -> str | None:
    """Return the command that carries on; None if the folder does not know it.

    A budget that stopped the last run is replaced by one that is large enough. Words
    that consent to an edit are left out, unless rows of that edit still wait.

    Args:
        ledger: The folder's.
        needed: What the budgets need; None for what stopped the last run.
    """
    words = stored_words(ledger)
    if words is None:
        return None
    if rebuy_of(ledger, EVERY_ROW, ledger.generation) is None:
        words = [word for word in words if word not in ONCE]
    needed = needed or needed_in(ledger)
    if needed.run is not None:
        words = _with_option(words, MAX_COST, amount(needed.run))
    if needed.day is not None:
        words = _with_option(words, PER_DAY, amount(needed.day))
    return join_words(words)


def carry_on_after(folder: Path, result: RunResult) -> str:
    """Return the command that carries on after a run that has just ended in a folder.

    A ledger that was deleted or replaced in mid-run is not looked into: SQLite would
    take what stands beside it for a part of it.
    """
    probe_provider = (folder / LEDGER).is_file()
    if probe_provider and not isinstance(result.error, LedgerMissing):
        with closing(read_ledger(folder)) as ledger:
            return carry_on_command(ledger) or this_command()
    return this_command()


def _with_option(words: Sequence[str], option: str, value: str) -> list[str]:
    """Return a command that has an option with this value, and with no other one."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == option:
            next(rest, None)
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return [*kept, option, value]


def amount(nano: int) -> str:
    """Return nano-dollars as an option takes them, rounded up to the cent."""
    cents = -(-nano // CENT)
    return f"{cents // 100}.{cents % 100:02}"


def way_out(error: BudgetReached, needed: Needed, typed: str) -> str:
    """Return what to do about a budget that is reached, with the amounts.

    Args:
        error: What the run ended by.
        needed: What the budgets need for all that is left.
        typed: The command as it was typed: it does not name what a job file says.
    """
    is_day = isinstance(error, DayFull | DayTooSmall)
    words = []
    if needed.day is not None and is_day:
        words.append(_raised(PER_DAY, "per_day", needed.day, typed))
    if needed.run is not None:
        words.append(_raised(MAX_COST, "max_cost", needed.run, typed))
    if column_values := list(_shares(needed)):
        more = len(column_values) - SHARES_SHOWN
        listed = column_values[:SHARES_SHOWN] + (
            [f"and {more} more"] if more > 0 else []
        )
        words.append(f"under [budget.by] in the job file raise {', '.join(listed)}")
    if not words:
        return error.way_out
    later = "carry on then, or " if isinstance(error, DayFull) else ""
    return f"{later}{', and '.join(words)}: enough for all that is left"


def _raised(option: str, key: str, nano: int, typed: str) -> str:
    is_typed = any(word.partition("=")[0] == option for word in shlex.split(typed))
    place = "" if is_typed else f" (`{key}` in the job file)"
    return f"raise {option} to {amount(nano)}{place}"


def _shares(needed: Needed) -> Iterator[str]:
    for column, values in needed.by.items():
        for value, nano in values.items():
            yield f"{column} {value!r} to {amount(nano)}"


BASE_URL = "--base-url"


def stored_words(ledger: Reader) -> list[str] | None:
    """Return the words of the command that a folder remembers.

    What is no plain `batchgen run` command is left out: then only SOURCE is named. None
    where the folder knows neither.
    """
    words = _read_words(ledger.meta.command)
    if words is not None and _is_run_command(words):
        return words
    source = ledger.meta.source
    if source is None or visible(source) != source:
        return None
    path = os.path.normpath(ledger.path.parent / source)
    return ["batchgen", "run", os.path.relpath(path)]


def join_words(words: Sequence[str]) -> str:
    """Return a command as it can be pasted into a shell."""
    return " ".join(map(quoted_word, words))


def address_notes(command: str) -> Iterator[str]:
    """Yield what to look at before a command of a folder is pasted: who gets a key."""
    words = shlex.split(command)
    addresses = list(_values(words, BASE_URL))
    if not addresses:
        return
    from batchgen.providers import PROVIDERS

    chosen = _values(words, "--provider")
    names = [name for value in chosen for name in value.split(",") if name in PROVIDERS]
    for value in addresses:
        name, equals, url = value.partition("=")
        if not equals or name not in PROVIDERS:
            name, url = (names or [""])[0], value
        if not _is_own(name, url):
            whose = f"the key for {name}" if name else "a key"
            yield f"it sends {whose} to {url}: use it only if you know that address"


def _read_words(stored: object) -> list[str] | None:
    if not isinstance(stored, str):
        return None
    try:
        words = json.loads(stored)
    except (ValueError, RecursionError):
        pass
    else:
        is_list = isinstance(words, list)
        return (
            words if is_list and all(isinstance(word, str) for word in words) else None
        )
    try:
        return shlex.split(stored)  # as older versions kept it
    except ValueError:
        return None


def _is_run_command(words: Sequence[str]) -> bool:
    is_run = len(words) > 2 and tuple(words[:2]) == ("batchgen", "run")
    asks_for_help = "-h" in words or "--help" in words  # click would print it
    if not is_run or asks_for_help or any(visible(word) != word for word in words):
        return False
    from batchgen.cli.run import command  # it imports us

    try:
        command.make_context("run", list(words[2:])).close()
    except (click.ClickException, click.exceptions.Exit):
        return False
    return True


def _values(words: Sequence[str], option: str) -> Iterator[str]:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            yield following
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]


def _is_own(name: str, url: str) -> bool:
    import httpx

    from batchgen.planning.own_address import is_own_address
    from batchgen.providers import PROVIDERS

    try:
        return name in PROVIDERS and is_own_address(url, PROVIDERS[name].defaults)
    except httpx.InvalidURL:
        return False
