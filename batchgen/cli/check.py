"""`batchgen check`: all that can be known before paying; sends nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from batchgen.checks.dry_run import ALL_ROWS, check_job
from batchgen.checks.findings import Findings
from batchgen.cli.check_document import document_of
from batchgen.cli.check_lines import lines_of
from batchgen.cli.exact import exact_json
from batchgen.cli.source import job_options, overrides_of, read_job
from batchgen.model import Job, Status
from batchgen.providers import PROVIDERS
from batchgen.runner.access import base_url_of, prices_of
from batchgen.runner.credentials import known_keys

if TYPE_CHECKING:
    from batchgen.billing.balances import Account

PROBLEMS_SHOWN = 20


@click.command("check")
@click.argument("source", type=click.Path(path_type=Path))
@job_options
@click.option("--online", is_flag=True, help="Ask the providers for the balance, too.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON document with all of it, each bad row included; dollars as exact "
    "numbers, null where unknown.",
)
@click.pass_context
def command(
    context: click.Context, /, *, online: bool, as_json: bool, **given: Any
) -> None:
    """Say all that can be known of SOURCE before paying; send nothing.

    With --online each provider that has an endpoint for it is asked for the balance,
    and for nothing else; that costs nothing.

    Exit codes: 0 all rows can run, 3 some cannot, 1 none can.
    """
    job = read_job(given["source"], overrides_of(given))
    most = ALL_ROWS if as_json else PROBLEMS_SHOWN
    findings = check_job(job, PROVIDERS, prices_of(job), most)
    accounts = _accounts(job) if online else None
    if as_json:
        click.echo(exact_json(document_of(job, findings, accounts)))
    else:
        click.echo("\n".join(lines_of(job, findings, accounts)))
    context.exit(_code(findings))


def _accounts(job: Job) -> list[Account]:
    # Only here: a check that sends nothing needs nothing that sends.
    from batchgen.billing.balances import ask_balances

    chosen = [PROVIDERS[name] for name in job.providers]
    urls = {provider: base_url_of(job, provider) or "" for provider in job.providers}
    return anyio.run(ask_balances, job, chosen, urls, known_keys())


def _code(found: Findings) -> int:
    invalid = found.totals.rows.get(Status.INVALID, 0)
    if not invalid:
        return 0
    return 1 if invalid == sum(found.totals.rows.values()) else 3
