"""`batchgen reconcile`: compare the ledger with a provider's bill."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from batchgen.billing.bill import BillFormat, read_bill
from batchgen.billing.comparison import Bill, Comparison, Period
from batchgen.billing.reconciliation import reconcile, unsettle
from batchgen.cli.carry_on import folder_of
from batchgen.cli.json_writer import exact_json, tagged
from batchgen.cli.reconcile_output import (
    reconciliation_fields,
    show_reconciliation,
    show_taken_back,
)
from batchgen.errors import UsageError
from batchgen.ledger import Reader, providers_bought_from
from batchgen.model import micros_of
from batchgen.runner.folder import current_ledger

DIFFERS = 3
"""Exit code when differences remain."""


@click.command("reconcile")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--bill",
    "path",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The provider's usage export: CSV, JSON or JSON Lines.",
)
@click.option(
    "--columns",
    default="",
    metavar="NAME=COLUMN,...",
    help="Where id, time and amount stand: id=request_id,time=created_at,amount=cost.",
)
@click.option("--usd-per-unit", default="1", metavar="USD", help="Worth of one unit.")
@click.option(
    "--timezone", default="UTC", show_default=True, help="Of times without an offset."
)
@click.option("--provider", help="Whose bill it is, where the run has several.")
@click.option(
    "--slack",
    type=click.FloatRange(0),
    default=120,
    show_default=True,
    metavar="S",
    help="Seconds by which its clock and ours may differ.",
)
@click.option(
    "--covers",
    metavar="FROM..TO",
    help="The period that FILE lists completely, or one day; by default that of its "
    "lines.",
)
@click.option("--settle", "settles", is_flag=True, help="Take the bill's amounts.")
@click.option(
    "--unsettle",
    "unsettles",
    is_flag=True,
    help="Take back what earlier bills settled: each purchase costs again what was "
    "known before. With --bill FILE --settle, then settle by that bill.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document, for scripts.")
def command(run: Path, path: Path | None, **options: Any) -> int:
    """Compare what RUN knows to have been charged with a provider's bill.

    Each difference is told by line. Nothing is changed without --settle: with it,
    purchases on the bill cost what it says, and what is at risk and not on it cost
    nothing, where the bill surely lists all of that time. The bill must hold this
    run's purchases and no other program's, or those stand in the way.

    A wrong bill was settled? --unsettle takes it back; no money and no row is lost by
    it. The right bill can follow in the same command:
    `batchgen reconcile RUN --unsettle --bill FILE --settle`.

    Exit code 0: no difference, or all are settled or taken back. 3: differences remain.
    """
    folder = folder_of(run)
    unsettles = options["unsettles"]
    is_alone = path is None and unsettles
    provider: str | None = None
    with current_ledger(folder) as (ledger, _):
        if options["provider"] is not None or not is_alone:
            provider = _provider(ledger, options["provider"])
    if is_alone:
        show_taken_back(unsettle(folder, provider), as_json=options["as_json"])
        return 0
    if path is None or provider is None:
        raise UsageError(
            "say which bill to compare with, by --bill FILE, or --unsettle to take "
            "back what an earlier bill settled"
        )
    bill = _bill(path, provider, options)
    before = unsettle(folder, provider) if unsettles else None
    if before is not None and not options["as_json"]:
        show_taken_back(before, as_json=False)
    settles = options["settles"]
    reconciliation = reconcile(folder, bill, settles=settles)
    code = DIFFERS if _have_remained(reconciliation.comparison, settles=settles) else 0
    if options["as_json"]:
        fields = reconciliation_fields(bill, reconciliation, before, exit_code=code)
        click.echo(exact_json(tagged("reconcile", fields)))
        return code
    show_reconciliation(bill, reconciliation, settles=settles)
    return code


def _have_remained(comparison: Comparison, *, settles: bool) -> bool:
    """Return whether differences remain; with `settles`, those not settled."""
    return bool(comparison.remaining if settles else comparison.differences)


# -- settings


def _bill(path: Path, provider: str, options: Mapping[str, Any]) -> Bill:
    zone = _zone(options["timezone"])
    form = _form(options["columns"], options["usd_per_unit"], zone)
    return Bill(
        provider=provider,
        lines=read_bill(path, form),
        slack=int(options["slack"] * 1_000_000),
        covers=_covers(options["covers"], zone),
    )


def _provider(ledger: Reader, requested: str | None) -> str:
    providers = providers_bought_from(ledger)
    if requested is not None and requested not in providers:
        raise UsageError(
            f"nothing was bought from {requested} here, only from "
            f"{', '.join(providers) or '-'}"
        )
    if requested is None and len(providers) != 1:
        raise UsageError(
            f"say whose bill it is, with --provider: {', '.join(providers)}"
            if providers
            else "nothing was bought here: there is nothing to compare"
        )
    return requested or providers[0]


def _form(columns: str, usd_per_unit: str, zone: tzinfo) -> BillFormat:
    names = {}
    for pair in filter(None, columns.split(",")):
        name, _, column = pair.partition("=")
        if name not in ("id", "time", "amount") or not column:
            raise UsageError(
                f"--columns: {pair!r} does not name id, time or amount; like this: "
                "id=request_id,time=created_at,amount=cost"
            )
        names[name] = column
    try:
        worth = Decimal(usd_per_unit)
    except InvalidOperation:
        worth = Decimal("NaN")
    if not worth.is_finite() or not worth:
        raise UsageError(f"--usd-per-unit: {usd_per_unit!r} is no amount of dollars")
    return BillFormat(**names, usd_per_unit=worth, zone=zone)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"--timezone: {name!r} is not known; like this: Europe/Berlin"
        ) from error


def _covers(text: str | None, zone: tzinfo) -> Period | None:
    """Read FROM..TO, or one day or moment for both; a day as TO ends at midnight."""
    if text is None:
        return None
    problem = UsageError(
        f"--covers: {text!r} is no period; like this: 2026-11-20, or "
        "2026-11-20..2026-11-21, or with times in ISO 8601"
    )
    begin, dots, end = text.partition("..")
    end = end if dots else begin
    try:
        first, last = (_moment(value, zone) for value in (begin, end))
    except ValueError as error:
        raise problem from error
    if len(end.strip()) == len("2026-11-21"):
        last += timedelta(days=1)
    if first >= last:
        raise problem
    return micros_of(first), micros_of(last)


def _moment(text: str, zone: tzinfo) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
