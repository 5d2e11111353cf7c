"""The result of a comparison with a bill, as text and as JSON."""

from __future__ import annotations

from typing import Any

import click

from batchgen.billing.comparison import Bill, Difference, Kind
from batchgen.billing.reconciliation import Reconciliation, Reversal
from batchgen.cli.formatting import NO_MONEY, counted, money_lines
from batchgen.cli.json_fields import folder_fields
from batchgen.cli.json_writer import exact_json, tagged
from batchgen.model import dollars, to_usd, utc


def show_reconciliation(
    bill: Bill, reconciliation: Reconciliation, *, settles: bool
) -> None:
    """Show the comparison, the differences, and what was settled."""
    comparison, pretend = reconciliation.comparison, reconciliation.totals.rehearsed

    def usd(nano: int) -> str:
        return dollars(nano, pretend=pretend)

    if pretend:
        click.echo(f"{NO_MONEY}; the bill is the sandbox's")
    lines = counted(len(bill.lines), "line")
    click.echo(f"{bill.provider}: {lines} on the bill, {usd(comparison.billed)}")
    if comparison.outside:
        apart = counted(len(comparison.outside), "line")
        total = usd(sum(line.nano for line in comparison.outside))
        click.echo(
            f"before or after all that was sent here: {apart}, {total}, left out"
        )
    agreeing = counted(comparison.matches, "purchase")
    click.echo(f"the same on both sides: {agreeing}, {usd(comparison.matches_nano)}")
    for kind in Kind:
        differences = [each for each in comparison.differences if each.kind is kind]
        if differences:
            click.echo(f"{kind}: {len(differences)}")
            click.echo("\n".join(_line(each, pretend=pretend) for each in differences))
    if settles:
        click.echo(f"{counted(reconciliation.settled, 'purchase')} settled")
        click.echo("\n".join(money_lines(reconciliation.totals)))
    elif len(comparison.remaining) < len(comparison.differences):
        click.echo("nothing is changed; --settle takes the bill's amounts")


def _line(each: Difference, *, pretend: bool) -> str:
    def usd(nano: int) -> str:
        return dollars(nano, pretend=pretend)

    parts = [f"{utc(each.at):%Y-%m-%d %H:%M:%S} UTC"]
    if each.attempt_id is not None:
        parts.append(f"{each.label}, attempt {each.attempt_id}")
    if each.kind in (
        Kind.NOT_CHARGED,
        Kind.NOT_BILLED,
        Kind.OTHER_AMOUNT,
    ):
        label = "at most" if each.kind is Kind.NOT_CHARGED else "ours"
        parts.append(f"{label} {'unknown' if each.ours is None else usd(each.ours)}")
    if each.line is not None:
        name = "" if each.line.id is None else f", {each.line.id}"
        parts.append(f"bill {usd(each.billed or 0)} (line {each.line.number}{name})")
    if each.note:
        parts.append(each.note)
    return "  " + "; ".join(parts)


def show_taken_back(reversal: Reversal, *, as_json: bool) -> None:
    """Show which settlements of a bill were taken back."""
    if as_json:
        fields = {
            "exit_code": 0,
            **folder_fields(reversal.totals),
            "bill": None,
            "agreed": None,
            "differences": [],
            "settled": 0,
            "taken_back": _taken_back(reversal),
        }
        click.echo(exact_json(tagged("reconcile", fields)))
        return
    if reversal.changed:
        purchases = counted(reversal.changed, "purchase", "costs")
        click.echo(f"taken back: {purchases} again what was known before the bill")
    else:
        click.echo("no settlement of a bill can be taken back here")
    if reversal.without_note:
        click.echo(
            f"{counted(reversal.without_note, 'purchase')} settled by an older "
            "batchgen, which did not note what stood before: correct them with --bill "
            "FILE --settle"
        )
    click.echo("\n".join(money_lines(reversal.totals)))


# -- for scripts


def reconciliation_fields(
    bill: Bill,
    reconciliation: Reconciliation,
    before: Reversal | None,
    *,
    exit_code: int,
) -> dict[str, Any]:
    """Return the comparison, the differences, and the folder's money afterwards.

    Args:
        bill: The provider's bill.
        reconciliation: The result of the comparison.
        before: Settlements that were taken back first; None without `--unsettle`.
        exit_code: Of the process.
    """
    comparison = reconciliation.comparison
    return {
        "exit_code": exit_code,
        **folder_fields(reconciliation.totals),
        "bill": {
            "provider": bill.provider,
            "lines": len(bill.lines),
            "billed_usd": to_usd(comparison.billed),
            "outside_lines": len(comparison.outside),
            "outside_usd": to_usd(sum(line.nano for line in comparison.outside)),
        },
        "agreed": {
            "attempts": comparison.matches,
            "billed_usd": to_usd(comparison.matches_nano),
        },
        "differences": [_difference(each) for each in comparison.differences],
        "settled": reconciliation.settled,
        "taken_back": None if before is None else _taken_back(before),
    }


def _taken_back(reversal: Reversal) -> dict[str, int]:
    return {"attempts": reversal.changed, "without_note": reversal.without_note}


def _difference(each: Difference) -> dict[str, Any]:
    return {
        "kind": each.kind.name.lower(),
        "at": utc(each.at),
        "attempt_id": each.attempt_id,
        "row_name": each.label or None,
        "ours_usd": None if each.ours is None else to_usd(each.ours),
        "billed_usd": None if each.billed is None else to_usd(each.billed),
        "bill_line": each.line and each.line.number,
        "request_id": each.line and each.line.id,
        "settles_to_usd": None if each.settles_to is None else to_usd(each.settles_to),
        "note": each.note or None,
    }
