"""`batchgen run`: run a job, or carry on with it where it stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from batchgen.cli.bound_provider import keep_provider
from batchgen.cli.carry_on import carry_on_after
from batchgen.cli.display import choose_display
from batchgen.cli.formatting import retry_command
from batchgen.cli.json_fields import cause_fields, folder_fields
from batchgen.cli.messages import (
    use_json_lines,
    uses_json_lines,
    write_summary,
)
from batchgen.cli.notifications import (
    Notifications,
    notifications_of,
    notifying,
)
from batchgen.cli.on_finish import run_on_finish
from batchgen.cli.option_types import LatencyType
from batchgen.cli.options import (
    job_options,
    overrides_of,
    read_job,
    rehearsal_options,
    run_options_of,
    source_argument,
)
from batchgen.cli.summary import (
    RehearsalResult,
    causes_in,
    finish,
    show_real_run,
    show_summary,
    table_copies,
)
from batchgen.errors import BatchgenError, UsageError
from batchgen.ledger import Totals
from batchgen.model import Job, Status, to_usd
from batchgen.output import ARCHIVE, TABLE
from batchgen.runner.config import RunResult
from batchgen.runner.credentials import without_keys
from batchgen.runner.job_checks import check_zero_budget
from batchgen.runner.row_causes import Cause

_NOTHING = Totals(
    spent=0,
    superseded=0,
    at_risk=0,
    at_risk_attempts=0,
    unpriced=0,
    unpriced_risk=0,
    rows={},
    images=0,
)


@click.command("run")
@source_argument
@job_options
@rehearsal_options
@click.option(
    "--latency",
    type=LatencyType(),
    metavar="real|S",
    help="Seconds an image takes there; `real` takes as long as the provider.",
)
@click.option("--yes", is_flag=True, help="Consent to spend without a budget.")
@click.option(
    "--rebuy",
    is_flag=True,
    help="Buy rows again that were changed after they were bought.",
)
@click.option(
    "--keep", is_flag=True, help="Let rows that were changed keep the image they have."
)
@click.option(
    "--on-finish",
    metavar="COMMAND",
    help="Run this when the run has ended, with its summary as JSON on stdin.",
)
@click.option("--json", "json_lines", is_flag=True, help="Progress as JSON Lines.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.pass_context
def command(
    context: click.Context,
    /,
    sources: tuple[Path | str, ...],
    *,
    on_finish: str | None,
    json_lines: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Run SOURCE, a job file or a manifest, or carry on where it stopped.

    A manifest may also be several files, a pattern in quotes, an https address, or -
    for the standard input (with --out).

    \b
    Exit codes: 0 every row in scope succeeded; 1 the job could not run;
    2 wrong usage, or consent missing; 3 some rows did not succeed;
    4 stopped at the budget; 5 key or credit refused;
    129 the terminal was closed; 130 Ctrl-C; 143 a request to end (SIGTERM).
    """  # noqa: D301 - click's mark for lines that stay as they are
    run_options, overrides = run_options_of(options), overrides_of(options)
    use_json_lines(on=json_lines)
    source, *more = sources
    job = read_job(
        source, overrides, rehearse=run_options.rehearse, more=more, keeps=True
    )
    check_zero_budget(job, overrides)
    keep_provider(job)
    # Imported here: errors in the job are reported before the engine is loaded.
    from batchgen.cli.run_job import launch

    display = choose_display(quiet=quiet, json_lines=json_lines)
    notifications = notifications_of(job)
    if notifications is not None:
        display = notifying(display, notifications)
    ending = _Ending()
    try:
        code = launch(job, run_options, display, ending.show)
    except UsageError:
        raise  # nothing was run
    except BatchgenError as error:
        document = {"exit_code": 1, "message": without_keys(str(error))}
        _follow_up("error", document, notifications, on_finish)
        raise
    _follow_up("summary", ending.fields, notifications, on_finish)
    context.exit(code)


def _follow_up(
    kind: str,
    document: Mapping[str, Any],
    notifications: Notifications | None,
    on_finish: str | None,
) -> None:
    """Tell others of the end, after the folder was let go: a command may work on it."""
    if notifications is not None:
        notifications.end(document)
    if on_finish is not None:
        run_on_finish(on_finish, kind, document)


class _Ending:
    """Shows how a run ended, and keeps that for a later command."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    def show(
        self, job: Job, result: RunResult, rehearsed: RehearsalResult | None
    ) -> int:
        """Write the summary; return the exit code."""
        causes = causes_in(job, result)
        show_summary(job, result, rehearsed, causes)
        show_real_run(rehearsed)
        code = finish(job, result, causes)
        self.fields = summary_fields(job, result, rehearsed, code)
        self.fields |= _fields_of_causes(job, causes)
        if uses_json_lines():
            write_summary(self.fields)
        return code


def _fields_of_causes(job: Job, causes: Sequence[Cause]) -> dict[str, Any]:
    """Return why rows did not succeed, and the command that tries them again."""
    can_retry = any(cause.retry_helps for cause in causes)
    return {
        "causes": [cause_fields(cause) for cause in causes],
        "retry_command": retry_command(job.out) if can_retry else None,
    }


def summary_fields(
    job: Job, result: RunResult, rehearsed: RehearsalResult | None, exit_code: int
) -> dict[str, Any]:
    """Return how a run ended: the last line of `run --json`."""
    totals = result.totals or _NOTHING
    error = result.error
    command = carry_on_after(job.out, result)
    return {
        "exit_code": exit_code,
        "folder": str(job.out),
        **folder_fields(totals),
        "archive": str(job.out / ARCHIVE) if totals.images else None,
        "table": str(job.out / TABLE),
        "table_copies": [str(path) for path in table_copies(job.out, result)],
        "signal": result.stop_reason,
        "error": error and {"error": error.kind, "message": str(error)},
        "stopped": [
            {"provider": stop.provider, "error": stop.kind, "message": str(stop)}
            for stop in result.stopped
        ],
        "command": command if totals.rows.get(Status.PENDING) else None,
        "rehearsal": rehearsed
        and {
            "bill_usd": to_usd(rehearsed.bill),
            "real_run": list(rehearsed.real_run),
        },
    }
