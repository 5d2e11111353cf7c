"""`batchgen status`: where a run stands; works while it runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from batchgen.addresses.characters import visible_line
from batchgen.admission.learned_limits import describe_learned_limits
from batchgen.api.folders import Folder
from batchgen.budget import (
    DAY_MICROS,
    ColumnValue,
    Limits,
    Scope,
    column_values_of,
    day_of,
)
from batchgen.cli.carry_on import address_notes, carry_on_command, folder_of
from batchgen.cli.formatting import (
    cause_lines,
    counted,
    counted_rows,
    money_lines,
    retry_line,
    rows_line,
)
from batchgen.cli.json_fields import budget_fields, folder_fields, rebuy_fields
from batchgen.cli.json_writer import exact_json, tagged
from batchgen.cli.metrics import as_open_metrics
from batchgen.cli.watch import screen, watch
from batchgen.errors import UsageError
from batchgen.ledger import Reader, Totals
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.ledger.resuming import bookmark_of
from batchgen.model import State, Status, dollars, now_micros
from batchgen.runner.folder import is_locked
from batchgen.runner.manifest_edits import rebuy_of
from batchgen.runner.row_causes import causes_among

GROUPS_SHOWN = 5


@click.command("status")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option(
    "--metrics",
    "as_metrics",
    is_flag=True,
    help="As OpenMetrics text, such as Prometheus reads.",
)
@click.option("--watch", "is_watched", is_flag=True, help="Again, until the run ends.")
def command(run: Path, *, as_json: bool, as_metrics: bool, is_watched: bool) -> None:
    """Say where RUN stands: a run folder, or the SOURCE that it belongs to.

    \b
    batchgen status out/catalog --watch
    """  # noqa: D301 - click's mark for lines that stay as they are
    folder = folder_of(run)
    if as_metrics and (as_json or is_watched):
        raise UsageError("--metrics stands alone: leave out --json and --watch")
    write = _as_json if as_json else as_open_metrics if as_metrics else _as_text

    def read() -> str:
        with Folder.named(folder).reading() as ledger:
            return write(folder, ledger)

    if not is_watched:
        click.echo(read(), nl=not as_metrics)
        return
    with screen(as_lines=as_json) as show:
        watch(folder, read, show)


def _as_text(folder: Path, ledger: Reader) -> str:
    totals = ledger.totals(EVERY_ROW)
    states = [attempt.state for attempt in ledger.open_attempts()]
    causes = causes_among(ledger, totals.rows, EVERY_ROW)
    is_running = is_locked(folder)
    lines = [
        f"{folder}: {'running now' if is_running else 'not running'}",
        rows_line(totals),
        *money_lines(totals, is_running=is_running),
        *_budget_lines(ledger),
        f"{counted(totals.images, 'image')} stored",
    ]
    lines += _reading_lines(ledger)
    if delivered := states.count(State.DELIVERED):
        images = counted(delivered, "purchase")
        lines.append(f"still to be downloaded: the images of {images}")
    lines.extend(describe_learned_limits(ledger))
    lines.extend(cause_lines(causes))
    if (rebuy := rebuy_of(ledger, EVERY_ROW, ledger.generation)) is not None:
        lines.append(str(rebuy))
    if not is_running and (run_command := command_for_rest(ledger, totals)):
        lines.append(f"to carry on:\n  {run_command}")
        lines += [f"  ({note})" for note in address_notes(run_command)]
    if (line := retry_line(folder, causes)) is not None:
        lines.append(line)
    return "\n".join(lines)


def command_for_rest(ledger: Reader, totals: Totals) -> str | None:
    """Return the command that carries on; None where nothing is left to do."""
    rebuy = rebuy_of(ledger, EVERY_ROW, ledger.generation)
    waits = totals.rows.get(Status.PENDING) or ledger.open_attempts() or rebuy
    return carry_on_command(ledger) if waits or _reading_lines(ledger) else None


def _reading_lines(ledger: Reader) -> list[str]:
    """Say how far the manifest is read, unless that is to its end."""
    bookmark = bookmark_of(ledger)
    if bookmark is not None:
        rows = counted_rows(bookmark.rows)
        return [f"the manifest is not read to its end yet: {rows} so far"]
    if ledger.meta.plan_digest is None:
        return ["the manifest is not read to its end yet"]
    return []


Level = tuple[Scope, int, int]
"""A budget: what it is for, its limit, and what counts for it, in nano-dollars."""


def _levels(ledger: Reader) -> list[Level]:
    """Return how the budgets of the last run stand; those of columns, fullest first."""
    limits = Limits.load(ledger.meta.limits)
    levels: list[Level] = []
    if limits.run is not None:
        money = ledger.money()
        levels.append(
            ("run", limits.run, money.spent + money.superseded + money.at_risk)
        )
    if limits.day is not None:
        today = day_of(now_micros())
        today_nano = dict(ledger.money_by_day(today * DAY_MICROS)).get(today, 0)
        levels.append((today, limits.day, today_nano))
    if limits.by:
        totals_by_share: Counter[ColumnValue] = Counter()
        for group, nano in ledger.money_by_group():
            totals_by_share.update(dict.fromkeys(column_values_of(group), nano))
        column_values = [
            (share, limit, nano)
            for share, nano in totals_by_share.items()
            if (limit := limits.of(share)) is not None
        ]
        levels += sorted(
            column_values, key=lambda level: (level[1] - level[2], level[0])
        )
    return levels


def _budget_lines(ledger: Reader) -> list[str]:
    """Return how the budgets of day and columns stand, of many values the fullest."""
    lines, values = [], 0
    for scope, limit, nano in _levels(ledger):
        today_nano = f"{dollars(nano, pretend=ledger.is_rehearsal)} of {dollars(limit)}"
        if isinstance(scope, ColumnValue):
            values += 1
            if values <= GROUPS_SHOWN:
                lines.append(f"{visible_line(str(scope))}: {today_nano}")
        elif scope != "run":
            lines.append(f"today (UTC): {today_nano}")
    if values > GROUPS_SHOWN:
        lines.append(f"and {values - GROUPS_SHOWN} more that have more left")
    return lines


def _as_json(folder: Path, ledger: Reader) -> str:
    states = Counter(attempt.state for attempt in ledger.open_attempts())
    rebuy = rebuy_of(ledger, EVERY_ROW, ledger.generation)
    totals = ledger.totals(EVERY_ROW)
    document = {
        "folder": str(folder),
        "running": is_locked(folder),
        "planned": not _reading_lines(ledger),
        **folder_fields(totals),
        "open_attempts": {
            "sent": states[State.SENT],
            "accepted": states[State.ACCEPTED] + states[State.OVERDUE],
            "delivered": states[State.DELIVERED],
        },
        "budgets": [budget_fields(*level) for level in _levels(ledger)],
        "rebuy": rebuy_fields(rebuy),
        "command": command_for_rest(ledger, totals),
    }
    return exact_json(tagged("status", document))
