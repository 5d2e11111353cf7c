"""The command of the last run, as `run.log` has it: whoever names a folder meant that.

Anybody may have edited the log. So the command is only read, never carried out; and one
that a terminal would not show as it stands is none.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import click

from batchgen.addresses.characters import visible
from batchgen.cli.run import command
from batchgen.cli.source import overrides_of
from batchgen.job import Overrides


@dataclass(frozen=True, slots=True)
class LoggedCommand:
    """A `run` command.

    Attributes:
        words: Behind `batchgen`.
        overrides: What its options say of the job.
    """

    words: Sequence[str]
    overrides: Overrides


def logged_command(text: str | None) -> LoggedCommand | None:
    """Read a command; None for anything but `batchgen run` with options that it has."""
    if text is None or visible(text) != text:
        return None
    try:
        program, name, *words = shlex.split(text)
        if (program, name) != ("batchgen", "run"):
            return None
        context = command.make_context("run", [*words])
    except (ValueError, click.ClickException, click.exceptions.Exit):
        return None
    return LoggedCommand((name, *words), overrides_of(context.params))


def said_before(typed: Overrides, logged: LoggedCommand) -> Overrides:
    """Return what was typed, and where nothing was, what the last run was told."""
    missing = {
        each.name: getattr(logged.overrides, each.name)
        for each in fields(Overrides)
        if getattr(typed, each.name) in (None, ())
    }
    return replace(typed, **missing)
