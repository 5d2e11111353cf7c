"""`batchgen run`: run a job, or carry on with it where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from batchgen.cli.latency import LatencyType
from batchgen.cli.manner import manner_of
from batchgen.cli.source import job_options, overrides_of, read_job
from batchgen.cli.summary import Bill, finish, show_summary
from batchgen.engines.setting import Outcome
from batchgen.model import Job


@click.command("run")
@click.argument("source", type=click.Path(path_type=Path))
@job_options
@click.option("--rehearse", is_flag=True, help="Against the sandbox: free, no key.")
@click.option(
    "--faults",
    type=click.Choice(["calm", "storm", "outage"]),
    help="What goes wrong in a rehearsal (default calm).",
)
@click.option("--seed", type=int, help="Which requests go wrong (default 0).")
@click.option(
    "--latency",
    type=LatencyType(),
    metavar="real|S",
    help="Seconds an image takes there; `real` takes as long as the provider.",
)
@click.option("--yes", is_flag=True, help="Consent to spend without a budget.")
@click.option(
    "--rebuy", is_flag=True, help="Buy rows again that were changed after that."
)
@click.option(
    "--keep", is_flag=True, help="Let rows that were changed keep the image they have."
)
@click.option("--json", "json_lines", is_flag=True, help="Progress as JSON Lines.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Run SOURCE, a job file or a manifest, or carry on where it stopped.

    \b
    Exit codes: 0 every row in scope succeeded; 1 the job could not run;
    2 wrong usage, or consent missing; 3 some rows did not succeed;
    4 stopped at the budget; 5 key or credit refused;
    129, 130, 143 stopped by SIGHUP, SIGINT, SIGTERM.
    """  # noqa: D301 - click's mark for lines that stay as they are
    manner = manner_of(given)
    job = read_job(given["source"], overrides_of(given), rehearse=manner.rehearse)
    # Only here: whatever is wrong with the job is told before the engine is loaded.
    from batchgen.cli.launch import launch

    context.exit(launch(job, manner, _end))


def _end(job: Job, outcome: Outcome, bill: Bill | None) -> int:
    show_summary(job, outcome, bill)
    return finish(job, outcome)
