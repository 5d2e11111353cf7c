"""`batchgen runs`: the run folders below a folder, with state, rows and money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from batchgen.addresses.characters import visible, visible_line
from batchgen.cli.carry_on import address_notes
from batchgen.cli.formatting import NO_MONEY, counted, rows_line
from batchgen.cli.json_fields import folder_fields
from batchgen.cli.json_writer import exact_json, tagged
from batchgen.cli.status import command_for_rest
from batchgen.errors import BatchgenError, UsageError
from batchgen.ledger import Totals
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.manifest.wording import shown
from batchgen.model import dollars, now_micros, to_usd, utc
from batchgen.runner.folder import is_locked, read_ledger
from batchgen.runner.run_folders import last_change, run_folders

RUNNING, STOPPED, FINISHED, UNREADABLE = "running", "stopped", "finished", "unreadable"
"""States: stopped means that something is left to do."""

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

DEFAULT_FOLDER = Path("out")

_AGES = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run folder.

    Attributes:
        totals: Rows and money; None if the folder cannot be read.
        command: What carries on; None if nothing is left to do.
        problem: Why the folder cannot be read; None if it can.
    """

    folder: Path
    state: str
    changed_at: datetime
    totals: Totals | None = None
    command: str | None = None
    problem: str | None = None

    @property
    def is_rehearsal(self) -> bool:
        """Whether its money is pretend."""
        return self.totals is not None and self.totals.rehearsed

    @property
    def spent(self) -> int:
        """What was paid, in nano-dollars, also for rows that were changed since."""
        totals = self.totals
        return 0 if totals is None else totals.spent + totals.superseded

    @property
    def at_risk(self) -> int:
        """What may have been charged besides, in nano-dollars."""
        return 0 if self.totals is None else self.totals.at_risk


@click.command("runs")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def command(folder: Path | None, *, as_json: bool) -> None:
    """List the run folders below FOLDER (default: out), those of late first.

    \b
    batchgen runs
    batchgen runs /data/shoots --json

    Each with its state (running, stopped: something is left to do, or finished), its
    rows, its money, and the command that carries on. Money of rehearsals is pretend
    and stands apart.
    """  # noqa: D301 - click's mark for lines that stay as they are
    below = DEFAULT_FOLDER if folder is None else folder
    if folder is not None and not folder.is_dir():
        raise UsageError(f"no such folder: {shown(folder)}")
    folders = run_folders(below) if below.is_dir() else iter(())
    runs = sorted(map(_read, folders), key=lambda run: run.changed_at, reverse=True)
    click.echo(_as_json(below, runs) if as_json else visible(_as_text(below, runs)))


def _read(folder: Path) -> Run:
    changed_at = utc(int(last_change(folder) * 1_000_000))
    try:
        is_running = is_locked(folder)
        with closing(read_ledger(folder)) as ledger:
            totals = ledger.totals(EVERY_ROW)
            rest = None if is_running else command_for_rest(ledger, totals)
    except BatchgenError as error:
        return Run(
            folder=folder,
            state=UNREADABLE,
            changed_at=changed_at,
            problem=str(error),
        )
    state = RUNNING if is_running else STOPPED if rest else FINISHED
    return Run(
        folder=folder, state=state, changed_at=changed_at, totals=totals, command=rest
    )


def _as_text(below: Path, runs: Sequence[Run]) -> str:
    if not runs:
        return f"no run folder below {shown(below)}; `batchgen run SOURCE` makes one"
    now = utc(now_micros())
    lines = [line for run in runs for line in _lines(run, now)]
    return "\n".join([*lines, *_total_lines(runs)])


def _lines(run: Run, now: datetime) -> Iterator[str]:
    age = _age(now - run.changed_at)
    yield f"{shown(run.folder)}: {run.state}, {age}"
    if run.problem is not None:
        yield f"  {visible_line(run.problem)}"
    if run.totals is not None:
        yield f"  {rows_line(run.totals)}; {_money(run)}"
    if run.command is not None:
        yield f"  to carry on: {run.command}"
        for note in address_notes(run.command):
            yield f"    ({note})"


def _money(run: Run) -> str:
    spent = dollars(run.spent)
    text = f"pretend cost {spent}" if run.is_rehearsal else f"spent {spent}"
    if run.totals is not None and run.totals.unpriced:
        purchases = counted(run.totals.unpriced, "purchase")
        text += f", {purchases} without a known price"
    if run.at_risk:
        more = dollars(run.at_risk, pretend=run.is_rehearsal)
        text += f", and up to {more} more may have been charged"
    return text


def _total_lines(runs: Sequence[Run]) -> Iterator[str]:
    real = [run for run in runs if run.totals is not None and not run.is_rehearsal]
    if real:
        spent = dollars(sum(run.spent for run in real))
        risk = sum(run.at_risk for run in real)
        more = f", up to {dollars(risk)} more may have been charged" if risk else ""
        yield f"{counted(len(real), 'real run')}: spent {spent}{more}"
    rehearsals = [run for run in runs if run.is_rehearsal]
    if rehearsals:
        cost = dollars(sum(run.spent for run in rehearsals))
        count = counted(len(rehearsals), "rehearsal")
        yield f"{count}: pretend cost {cost} ({NO_MONEY})"


def _age(age: timedelta) -> str:
    for unit, name in _AGES:
        if age >= unit:
            return f"{counted(age // unit, name)} ago"
    return "just now"


def _as_json(below: Path, runs: Sequence[Run]) -> str:
    real = [run for run in runs if not run.is_rehearsal]
    document = {
        "folder": str(below),
        "runs": [_fields(run) for run in runs],
        "spent_usd": to_usd(sum(run.spent for run in real)),
        "at_risk_usd": to_usd(sum(run.at_risk for run in real)),
        "rehearsed_usd": to_usd(sum(run.spent for run in runs if run.is_rehearsal)),
    }
    return exact_json(tagged("runs", document))


def _fields(run: Run) -> dict[str, Any]:
    totals = run.totals
    unknown = dict.fromkeys(folder_fields(_NOTHING))
    return {
        "folder": str(run.folder),
        "state": run.state,
        "changed_at": run.changed_at.astimezone(UTC),
        "command": run.command,
        "message": run.problem,
        **(unknown if totals is None else folder_fields(totals)),
    }
