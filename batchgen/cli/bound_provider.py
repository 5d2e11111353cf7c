"""A provider of the user's defaults: written into the command, and kept in its folder.

Whoever edits the defaults must not send the rest of an old run to another provider
without knowing.
"""

from __future__ import annotations

from contextlib import closing

from batchgen.cli.carry_on import (
    current_arguments,
    replace_current_command,
    stored_arguments,
    values_of,
)
from batchgen.errors import UsageError
from batchgen.job.user_defaults import defaults_path
from batchgen.manifest.wording import shown
from batchgen.model import Job
from batchgen.runner.folder import LEDGER, read_ledger

_OPTION = "--provider"


def keep_provider(job: Job) -> None:
    """Write a provider of the defaults into the command that carries on.

    Raises:
        UsageError: the folder's last command named another provider.
    """
    if "provider" not in job.from_defaults:
        return
    names = ",".join(job.providers)
    before = _provider_before(job)
    if before not in (None, names):
        raise UsageError(
            f"{shown(job.out)} was begun with {_OPTION} {before}, and "
            f"{shown(defaults_path())} now says {names}: add {_OPTION} {before} to "
            f"carry on, or {_OPTION} {names} to go on with that"
        )
    _, *arguments = current_arguments()
    replace_current_command(*arguments, _OPTION, names)


def _provider_before(job: Job) -> str | None:
    """Return the providers that the folder's last command named."""
    if not (job.out / LEDGER).is_file():
        return None
    with closing(read_ledger(job.out)) as ledger:
        arguments = stored_arguments(ledger) or []
    return next(iter(values_of(arguments, _OPTION)), None)
