"""`batchgen check`: all that can be known before paying; sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from batchgen.addresses.url import read_url
from batchgen.api.plans import plan_of
from batchgen.checks.dry_run import ALL_ROWS
from batchgen.checks.findings import Cost, Findings, Forecast, Limit, Pace
from batchgen.cli.check_output import gaps_document, lines_of
from batchgen.cli.json_fields import (
    budget_fields,
    known_usd,
    mode_fields,
    money_fields,
    rebuy_fields,
    rows_by_status,
)
from batchgen.cli.json_writer import exact_json, price_fields, tagged
from batchgen.cli.options import job_options, overrides_of, read_job, source_argument
from batchgen.ledger import Totals
from batchgen.model import Job, Status, to_usd
from batchgen.planning.own_address import is_documented_address
from batchgen.providers import PROVIDERS
from batchgen.runner.access import base_url_of
from batchgen.runner.credentials import known_keys

if TYPE_CHECKING:
    from batchgen.billing.balances import Account

PROBLEMS_SHOWN = 20


@click.command("check")
@source_argument
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
    context: click.Context,
    /,
    sources: tuple[Path | str, ...],
    *,
    online: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say all that can be known of SOURCE before paying; send nothing.

    With --online each provider that has an endpoint for it is asked for the balance,
    and for nothing else; that costs nothing.

    Exit codes: 0 all rows can run, 3 some cannot, 1 none can.
    """
    source, *more = sources
    job = read_job(source, overrides_of(options), more=more)
    findings = plan_of(job, ALL_ROWS if as_json else PROBLEMS_SHOWN).findings
    accounts = _accounts(job) if online else None
    if as_json:
        click.echo(exact_json(document_of(job, findings, accounts)))
    else:
        click.echo("\n".join(lines_of(job, findings, accounts)))
    context.exit(_code(findings))


def _accounts(job: Job) -> list[Account]:
    # Imported here: only --online sends requests.
    from batchgen.billing.balances import ask_balances

    providers = [PROVIDERS[name] for name in job.providers]
    urls = {provider: base_url_of(job, provider) or "" for provider in job.providers}
    return anyio.run(ask_balances, job, providers, urls, known_keys(job.providers))


def _code(findings: Findings) -> int:
    invalid = findings.totals.rows.get(Status.INVALID, 0)
    if not invalid:
        return 0
    return 1 if invalid == sum(findings.totals.rows.values()) else 3


def document_of(
    job: Job, findings: Findings, accounts: Sequence[Account] | None
) -> dict[str, Any]:
    """Return all that was found; `balances` is null where none was asked for."""
    totals, same, forecast = findings.totals, findings.duplicates, findings.forecast
    document = {
        "folder": str(job.out),
        "base_urls": [_address(job, name) for name in job.providers],
        **mode_fields(findings.mode),
        "rows": rows_by_status(totals.rows),
        "bought": _bought(totals),
        "rehearsal": None
        if findings.rehearsal is None
        else _bought(findings.rehearsal),
        "duplicates": {
            "rows": same.rows,
            "images": same.images,
            "saved_usd": known_usd(same.saved, same.unpriced),
            "unpriced_rows": same.unpriced,
            "dedupe": job.dedupe,
        },
        "rebuy": rebuy_fields(findings.rebuy),
        "to_buy": {
            "rows": forecast.rows,
            "images": forecast.images,
            "unpriced_images": forecast.unpriced,
            **_cost(_known_cost(forecast)),
        },
        "groups": [
            {
                "provider": group.provider,
                "model": group.model,
                "resolution": group.resolution,
                "rows": group.rows,
                "images": group.images,
                "price": price_fields(group.price),
                **_cost(group.cost),
            }
            for group in forecast.groups
        ],
        "alone": [
            {
                "provider": entry.provider,
                "rows": entry.rows,
                "unpriced_rows": entry.unpriced,
                "alone_usd": known_usd(entry.alone, entry.unpriced),
                "routed_usd": known_usd(entry.routed, entry.unpriced),
            }
            for entry in forecast.alone
        ],
        "time": {
            "least_s": max((pace.min_s for pace in findings.paces), default=0),
            "likely_s": max((pace.likely_s for pace in findings.paces), default=0),
            "providers": [_pace(pace) for pace in findings.paces],
        },
        "disk": {**asdict(findings.disk), "is_enough": findings.disk.is_enough},
        "budgets": [_limit(limit) for limit in findings.limits],
        "balances": None
        if accounts is None
        else [_account(account) for account in accounts],
        "problems": [asdict(problem) for problem in findings.problems],
        "renamed": [asdict(rename) for rename in findings.renamed],
        "left_out": [asdict(value) for value in findings.left_out],
        "warned_rows": findings.warned,
        "prompts": [asdict(prompt) for prompt in findings.prompts],
        "empty_cells": gaps_document(job, findings),
        "notices": list(findings.notices),
    }
    return tagged("check", document)


def _address(job: Job, name: str) -> dict[str, Any]:
    documented = PROVIDERS[name].defaults.base_url
    base_url = base_url_of(job, name) or ""
    return {
        "provider": name,
        "base_url": base_url,
        "host": read_url(base_url).host,
        "is_documented": is_documented_address(base_url, documented),
    }


def _bought(totals: Totals) -> dict[str, Any]:
    money = money_fields(totals)
    return {"rehearsed": totals.rehearsed, "images": totals.images, **money}


def _known_cost(forecast: Forecast) -> Cost | None:
    if forecast.unpriced and forecast.unpriced == forecast.images:
        return None
    return forecast.cost()


def _cost(cost: Cost | None) -> dict[str, Any]:
    return {
        "lowest_usd": cost and to_usd(cost.lowest),
        "expected_usd": cost and to_usd(cost.expected),
        "highest_usd": cost and to_usd(cost.highest),
    }


def _pace(pace: Pace) -> dict[str, Any]:
    return {**asdict(pace), "least_s": pace.min_s, "likely_s": pace.likely_s}


def _limit(limit: Limit) -> dict[str, Any]:
    return {
        **budget_fields(limit.scope, limit.limit, limit.committed),
        **_cost(limit.cost),
        "is_enough": _unless(limit.is_enough, limit.unpriced),
        "is_enough_at_most": _unless(limit.is_enough_at_most, limit.unpriced),
    }


def _unless(is_enough: bool, unpriced: bool) -> bool | None:  # noqa: FBT001
    """Return whether a limit is enough; None where what is unknown decides."""
    return None if is_enough and unpriced else is_enough


def _account(account: Account) -> dict[str, Any]:
    amount = account.balance and account.balance.amount
    return {
        "provider": account.provider,
        "amount": amount,
        "unit": account.balance and account.balance.unit,
        "amount_usd": None if account.nano is None else to_usd(account.nano),
        "unlimited": account.balance is not None and account.balance.amount is None,
        "problem": account.problem,
    }
