"""`batchgen status`: where a run stands; works while it runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from batchgen.budget import DAY_MICROS, Limits, Share, day_of, shares_of
from batchgen.cli.runfolder import folder_of
from batchgen.cli.words import counted, counted_rows, money_lines, rows_line
from batchgen.engines.edited import rebuy_of
from batchgen.engines.estimate import EVERY_ROW
from batchgen.engines.folder import is_locked, read_ledger
from batchgen.ledger import Reader
from batchgen.ledger.resuming import bookmark_of
from batchgen.model import State, Status, dollars, now_micros
from batchgen.runner.pacing import found_limits

GROUPS_SHOWN = 5


@click.command("status")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def command(run: Path, *, as_json: bool) -> None:
    """Say where RUN stands: a run folder, or the SOURCE that it belongs to."""
    folder = folder_of(run)
    ledger = read_ledger(folder)
    try:
        click.echo(
            json.dumps(_as_json(folder, ledger))
            if as_json
            else _as_text(folder, ledger)
        )
    finally:
        ledger.close()


def _as_text(folder: Path, ledger: Reader) -> str:
    totals = ledger.totals(EVERY_ROW)
    states = [it.state for it in ledger.open_attempts()]
    lines = [
        f"{folder}: {'running now' if is_locked(folder) else 'not running'}",
        rows_line(totals),
        *money_lines(totals),
        *_budget_lines(ledger),
        f"{counted(totals.images, 'image')} stored",
    ]
    lines += _reading_lines(ledger)
    if states:
        tasks = sum(it in (State.ACCEPTED, State.OVERDUE) for it in states)
        links = states.count(State.DELIVERED)
        sent = states.count(State.SENT)
        lines.append(f"open: {sent} sent, {tasks} tasks, {links} images to be fetched")
    lines.extend(found_limits(ledger))
    if (rebuy := rebuy_of(ledger, EVERY_ROW, ledger.generation)) is not None:
        lines.append(str(rebuy))
    waits = any(totals.rows.get(it) for it in (Status.PENDING, Status.HELD))
    is_over = not (waits or states or rebuy or _reading_lines(ledger))
    if isinstance(run_command := ledger.get("command"), str) and not is_over:
        lines.append(f"to carry on:\n  {run_command}")
    return "\n".join(lines)


def _reading_lines(ledger: Reader) -> list[str]:
    """Say how far the manifest is read, unless that is to its end."""
    bookmark = bookmark_of(ledger)
    if bookmark is not None:
        rows = counted_rows(bookmark.rows)
        return [f"the manifest is not read to its end yet: {rows} so far"]
    if ledger.get("plan_digest") is None:
        return ["the manifest is not read to its end yet"]
    return []


def _budget_lines(ledger: Reader) -> list[str]:
    """Return how the budgets of the last run stand, of many groups the fullest."""
    text = ledger.get("limits")
    limits = Limits.load(text) if isinstance(text, str) else Limits()
    lines = []
    if limits.day is not None:
        today = day_of(now_micros())
        spent = dict(ledger.money_by_day(today * DAY_MICROS)).get(today, 0)
        lines.append(f"today (UTC): {dollars(spent)} of {dollars(limits.day)}")
    if limits.by:
        known: Counter[Share] = Counter()
        for group, nano in ledger.money_by_group():
            known.update(dict.fromkeys(shares_of(group), nano))
        left = {
            it: limit - nano
            for it, nano in known.items()
            if (limit := limits.of(it)) is not None
        }
        fullest = sorted(left, key=lambda it: (left[it], it))
        lines += [
            f"{it}: {dollars(known[it])} of {dollars(known[it] + left[it])}"
            for it in fullest[:GROUPS_SHOWN]
        ]
        if len(fullest) > GROUPS_SHOWN:
            lines.append(f"and {len(fullest) - GROUPS_SHOWN} more that have more left")
    return lines


def _as_json(folder: Path, ledger: Reader) -> dict[str, object]:
    totals = ledger.totals(EVERY_ROW)
    return {
        "folder": str(folder),
        "running": is_locked(folder),
        "planned": not _reading_lines(ledger),
        "rows": {status.value: count for status, count in totals.rows.items()},
        "images": totals.images,
        "spent_usd": dollars(totals.spent)[1:],
        "retired_usd": dollars(totals.retired)[1:],
        "at_risk_usd": dollars(totals.at_risk)[1:],
        "at_risk_attempts": totals.at_risk_attempts,
        "budgets": _budget_lines(ledger),
        "unpriced": totals.unpriced + totals.unpriced_risk,
        "command": ledger.get("command"),
    }
