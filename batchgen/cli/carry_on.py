"""The command that carries on with a run, as it is to be typed the next time."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.cli.runfolder import this_command
from batchgen.cli.stored_command import join_words, stored_words
from batchgen.errors import BudgetReached, DayFull, DayTooSmall, LedgerMissing
from batchgen.ledger import Reader
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.model.price import NANO
from batchgen.runner.folder import LEDGER, read_ledger
from batchgen.runner.manifest_edits import rebuy_of
from batchgen.runner.required_budget import RequiredBudget, last_required_budget

if TYPE_CHECKING:
    from batchgen.runner.config import RunResult

MAX_COST = "--max-cost"
PER_DAY = "--max-cost-per-day"
ONCE = ("--rebuy", "--keep")
"""Consent to one edit of the manifest, which must not agree to the next one, too."""

CENT = NANO // 100
SHARES_SHOWN = 5


def carry_on_command(
    ledger: Reader, required: RequiredBudget | None = None
) -> str | None:
    """Return the command that carries on; None if the folder does not know it.

    A budget that stopped the last run is replaced by one that is large enough. Words
    that consent to an edit are left out, unless rows of that edit still wait.

    Args:
        ledger: The folder's.
        required: What the budgets need; None for what stopped the last run.
    """
    words = stored_words(ledger)
    if words is None:
        return None
    if rebuy_of(ledger, EVERY_ROW, ledger.generation) is None:
        words = [word for word in words if word not in ONCE]
    required = required or last_required_budget(ledger)
    if required.run is not None:
        words = _with_option(words, MAX_COST, amount(required.run))
    if required.day is not None:
        words = _with_option(words, PER_DAY, amount(required.day))
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


def way_out(error: BudgetReached, required: RequiredBudget, typed: str) -> str:
    """Return what to do about a budget that is reached, with the amounts.

    Args:
        error: What the run ended by.
        required: What the budgets need for all that is left.
        typed: The command as it was typed: it does not name what a job file says.
    """
    is_day = isinstance(error, DayFull | DayTooSmall)
    words = []
    if required.day is not None and is_day:
        words.append(_raised(PER_DAY, "per_day", required.day, typed))
    if required.run is not None:
        words.append(_raised(MAX_COST, "max_cost", required.run, typed))
    if column_values := list(_shares(required)):
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


def _shares(required: RequiredBudget) -> Iterator[str]:
    for column, values in required.by.items():
        for value, nano in values.items():
            yield f"{column} {value!r} to {amount(nano)}"
