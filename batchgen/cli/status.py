"""`batchgen status`: where a run stands; works while it runs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from batchgen.cli.source import folder_of
from batchgen.cli.summary import counted, money_lines, rows_line
from batchgen.engines.estimate import EVERY_ROW, rebuy_of
from batchgen.engines.folder import is_locked, read_ledger
from batchgen.ledger import Reader
from batchgen.model import State, dollars
from batchgen.runner.pacing import found_limits


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
        f"{counted(totals.images, 'image')} stored",
    ]
    if ledger.get("plan_digest") is None:
        lines.append("the manifest is not read to its end yet")
    if states:
        tasks = sum(it in (State.ACCEPTED, State.OVERDUE) for it in states)
        links = states.count(State.DELIVERED)
        sent = states.count(State.SENT)
        lines.append(f"open: {sent} sent, {tasks} tasks, {links} images to be fetched")
    lines.extend(found_limits(ledger))
    if (rebuy := rebuy_of(ledger, EVERY_ROW, ledger.generation)) is not None:
        lines.append(f"needs --rebuy: {rebuy}")
    if isinstance(run_command := ledger.get("command"), str):
        lines.append(f"to carry on:\n  {run_command}")
    return "\n".join(lines)


def _as_json(folder: Path, ledger: Reader) -> dict[str, object]:
    totals = ledger.totals(EVERY_ROW)
    return {
        "folder": str(folder),
        "running": is_locked(folder),
        "planned": ledger.get("plan_digest") is not None,
        "rows": {status.value: count for status, count in totals.rows.items()},
        "images": totals.images,
        "spent_usd": dollars(totals.spent)[1:],
        "retired_usd": dollars(totals.retired)[1:],
        "at_risk_usd": dollars(totals.at_risk)[1:],
        "at_risk_attempts": totals.at_risk_attempts,
        "unpriced": totals.unpriced + totals.unpriced_risk,
        "command": ledger.get("command"),
    }
