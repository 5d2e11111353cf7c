"""The command of the last run, as `run.log` has it: whoever names a folder meant that.

Anybody may have edited the log. So the command is only read, never carried out; and one
that a terminal would not show as it stands is none.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import click

from batchgen.addresses.characters import visible
from batchgen.cli.run import command
from batchgen.cli.source import Options, overrides_of


@dataclass(frozen=True, slots=True)
class LoggedCommand:
    """A `run` command.

    Attributes:
        words: Behind `batchgen`.
        overrides: What its options say of the job.
    """

    words: Sequence[str]
    overrides: Options


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
