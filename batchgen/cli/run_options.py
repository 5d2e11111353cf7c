"""The options of running among those of a command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from batchgen.cli.summary import Rehearsed
from batchgen.model import Job
from batchgen.runner.config import RunOptions, RunResult

End = Callable[[Job, RunResult, Rehearsed | None], int]
"""Shows how a job ended, with the sandbox's bill after a rehearsal; the exit code."""


def run_options(given: Mapping[str, Any]) -> RunOptions:
    """Return the options of running among a command's values.

    Raises:
        UsageError: they contradict each other.
    """
    names = {option.name for option in fields(RunOptions)}
    options = RunOptions(
        **{name: value for name, value in given.items() if name in names}
    )
    options.check(lambda name: f"--{name}")
    return options
