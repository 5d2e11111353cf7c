"""`batchgen retry`: mark rows to be tried again."""

from __future__ import annotations

from pathlib import Path

import click

from batchgen.cli.source import folder_of
from batchgen.cli.summary import counted
from batchgen.engines.folder import RunFolder, open_folder, read_ledger
from batchgen.errors import UsageError
from batchgen.model import dollars, to_usd

STATUSES = ("failed", "held", "refused")
DEFAULT = ("failed", "held")
"""Refusals are not among them: the same request would be refused again."""


@click.command("retry")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES),
    help="Rows of this status; by default failed and held.",
)
@click.option(
    "--ids",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with one id a line.",
)
def command(run: Path, statuses: tuple[str, ...], ids: Path | None) -> None:
    """Mark rows of RUN to be tried again, and print the command that does it.

    With --ids, only those rows; with --status, too, those of them that have it.
    Attempts made so far no longer count against --max-attempts.
    """
    folder = folder_of(run)
    read_ledger(folder).close()
    wanted = None if ids is None else _read_ids(ids)
    chosen = statuses or (STATUSES if wanted is not None else DEFAULT)
    with open_folder(folder, None, None) as opened, opened.ledger.transaction():
        marked = _mark(opened, chosen, wanted)
    verb = "is" if marked == 1 else "are"
    click.echo(f"{counted(marked, 'row')} {verb} marked to be tried again")
    if marked:
        _tell_price(folder)


def _read_ids(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: one id a line") from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise UsageError(f"{path} holds no id: one id a line")
    return found


def _mark(folder: RunFolder, statuses: tuple[str, ...], ids: list[str] | None) -> int:
    ledger = folder.ledger
    generation = ledger.generation
    marked = 0
    for status in statuses:
        if ids is None:
            marked += ledger.run("retry_by_status", (status, generation)).rowcount
            continue
        for each in ids:
            values = (status, generation, each)
            marked += ledger.run("retry_by_id", values).rowcount
    if marked:
        ledger.put("outputs", "stale")
    unknown = [it for it in ids or () if not _is_known(folder, it)]
    if unknown:
        raise UsageError(
            f"no row has the id {unknown[0]!r} ({len(unknown)} ids are unknown); "
            "nothing was marked"
        )
    return marked


def _is_known(folder: RunFolder, each: str) -> bool:
    values = (folder.ledger.generation, each)
    return folder.ledger.run("plan_has_id", values).fetchone() is not None


def _tell_price(folder: Path) -> None:
    ledger = read_ledger(folder)
    try:
        found = ledger.run("retry_prices", (ledger.generation,)).fetchone()
        price = dollars(to_usd(found["estimate"]))
        if found["unpriced"]:
            price += f" and {found['unpriced']} rows without a price"
        click.echo(f"trying them may cost {price}")
        if isinstance(run_command := ledger.get("command"), str):
            click.echo(f"to do it:\n  {run_command}")
    finally:
        ledger.close()
