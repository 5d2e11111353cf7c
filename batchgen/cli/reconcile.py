"""`batchgen reconcile`: compare the ledger with a provider's bill."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from batchgen.cli.runfolder import folder_of
from batchgen.cli.words import counted, money_lines
from batchgen.engines.bill import BillFormat, micros_of, read_bill
from batchgen.engines.comparing import Bill, Comparison, Difference, Kind, Period
from batchgen.engines.folder import current_ledger
from batchgen.engines.reconciling import reconcile, unsettle
from batchgen.errors import UsageError
from batchgen.ledger import Reader, providers_bought_from
from batchgen.ledger.results import moment
from batchgen.model import dollars

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
def command(run: Path, path: Path | None, **given: Any) -> int:
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
    unsettles = given["unsettles"]
    is_alone = path is None and unsettles
    provider: str | None = None
    with current_ledger(folder) as (ledger, _):
        if given["provider"] is not None or not is_alone:
            provider = _provider(ledger, given["provider"])
    if is_alone:
        return _take_back(folder, provider)
    if path is None or provider is None:
        raise UsageError(
            "say which bill to compare with, by --bill FILE, or --unsettle to take "
            "back what an earlier bill settled"
        )
    bill = _bill(path, provider, given)
    if unsettles:
        _take_back(folder, provider)
    done = reconcile(folder, bill, settles=given["settles"])
    _tell(bill, done.found)
    if given["settles"]:
        click.echo(f"{counted(done.settled, 'purchase')} settled")
        click.echo("\n".join(money_lines(done.totals)))
        return DIFFERS if done.found.remaining else 0
    if len(done.found.remaining) < len(done.found.differences):
        click.echo("nothing is changed; --settle takes the bill's amounts")
    return DIFFERS if done.found.differences else 0


def _take_back(folder: Path, provider: str | None) -> int:
    done = unsettle(folder, provider)
    if done.changed:
        verb = "costs" if done.changed == 1 else "cost"
        click.echo(
            f"taken back: {counted(done.changed, 'purchase')} {verb} again what was "
            "known before the bill"
        )
    else:
        click.echo("no settlement of a bill can be taken back here")
    if done.without_note:
        click.echo(
            f"{counted(done.without_note, 'purchase')} settled by an older batchgen, "
            "which did not note what stood before: correct them with --bill FILE "
            "--settle"
        )
    click.echo("\n".join(money_lines(done.totals)))
    return 0


# -- settings


def _bill(path: Path, provider: str, given: Mapping[str, Any]) -> Bill:
    zone = _zone(given["timezone"])
    form = _form(given["columns"], given["usd_per_unit"], zone)
    return Bill(
        provider=provider,
        lines=read_bill(path, form),
        slack=int(given["slack"] * 1_000_000),
        covers=_covers(given["covers"], zone),
    )


def _provider(ledger: Reader, said: str | None) -> str:
    used = providers_bought_from(ledger)
    if said is not None and said not in used:
        raise UsageError(
            f"nothing was bought from {said} here, only from {', '.join(used) or '-'}"
        )
    if said is None and len(used) != 1:
        raise UsageError(
            f"say whose bill it is, with --provider: {', '.join(used)}"
            if used
            else "nothing was bought here: there is nothing to compare"
        )
    return said or used[0]


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
    """Read FROM..TO, or one for both; a date as TO is meant to its end."""
    if text is None:
        return None
    problem = UsageError(
        f"--covers: {text!r} is no period; like this: 2026-11-20, or "
        "2026-11-20..2026-11-21, or with times in ISO 8601"
    )
    begin, dots, end = text.partition("..")
    end = end if dots else begin
    try:
        first, last = (_moment(it, zone) for it in (begin, end))
    except ValueError as error:
        raise problem from error
    if len(end.strip()) == len("2026-11-21"):
        last += timedelta(days=1)
    if first >= last:
        raise problem
    return micros_of(first), micros_of(last)


def _moment(text: str, zone: tzinfo) -> datetime:
    found = datetime.fromisoformat(text.strip())
    return found if found.tzinfo else found.replace(tzinfo=zone)


# -- what is told


def _tell(bill: Bill, found: Comparison) -> None:
    lines = counted(len(bill.lines), "line")
    click.echo(f"{bill.provider}: {lines} on the bill, {dollars(found.billed)}")
    if found.outside:
        apart = counted(len(found.outside), "line")
        total = dollars(sum(it.nano for it in found.outside))
        click.echo(
            f"before or after all that was sent here: {apart}, {total}, left out"
        )
    agreed = counted(found.agreed, "purchase")
    click.echo(f"the same on both sides: {agreed}, {dollars(found.agreed_nano)}")
    for kind in Kind:
        some = [it for it in found.differences if it.kind is kind]
        if some:
            click.echo(f"{kind}: {len(some)}")
            click.echo("\n".join(map(_line, some)))


def _line(it: Difference) -> str:
    parts = [f"{moment(it.at):%Y-%m-%d %H:%M:%S} UTC"]
    if it.attempt_id is not None:
        parts.append(f"{it.what}, attempt {it.attempt_id}")
    if it.kind in (Kind.NOT_CHARGED, Kind.NOT_BILLED, Kind.OTHER_AMOUNT):
        word = "at most" if it.kind is Kind.NOT_CHARGED else "ours"
        parts.append(f"{word} {'unknown' if it.ours is None else dollars(it.ours)}")
    if it.line is not None:
        name = "" if it.line.id is None else f", {it.line.id}"
        parts.append(f"bill {dollars(it.billed or 0)} (line {it.line.number}{name})")
    if it.note:
        parts.append(it.note)
    return "  " + "; ".join(parts)
