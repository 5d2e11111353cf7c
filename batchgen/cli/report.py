"""`batchgen report`: finish the ZIP and write the tables from what the ledger knows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from batchgen.cli.cause_lines import cause_lines
from batchgen.cli.formatting import counted, money_lines, rows_line
from batchgen.cli.report_archive import compact_archive, verify_archive
from batchgen.cli.runfolder import folder_of
from batchgen.errors import LedgerLocked
from batchgen.ledger import Reader
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.model import now_micros
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.runner.folder import open_folder, read_ledger, require_run
from batchgen.runner.resume import recover
from batchgen.runner.row_causes import causes_among
from batchgen.storage.outputs import are_fresh, write_outputs, write_tables_beside


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--html",
    is_flag=True,
    help="Write report.html, too: sums, plots and all images, to look through and "
    "reject, in one file that needs no network.",
)
@click.option(
    "--compact",
    is_flag=True,
    help="Write the ZIP anew without images that no row has any more: those that you "
    "gave up, that others replaced, or whose rows you removed. Programs that read a "
    "ZIP from its start would find them. Needs room for a second ZIP; whole, or "
    "nothing is changed.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Read every image of the ZIP and compare it with what was stored. Writes "
    "nothing (unless --compact is given, too). Exit code 1: something is damaged.",
)
def command(run: Path, *, html: bool, compact: bool, verify: bool) -> None:
    """Write ZIP and tables of RUN anew; needs no key and buys nothing.

    While the run works, only the tables are written: the ZIP is the run's to finish.
    """
    folder = folder_of(run)
    require_run(folder)
    if compact:
        _compact(folder)
    elif not verify:
        try:
            _write_all(folder)
        except LedgerLocked:
            _write_tables(folder)
    if html:
        _write_page(folder)
    if verify:
        verify_archive(folder)


def _compact(folder: Path) -> None:
    with open_folder(folder, None, None) as opened:
        recover(opened.ledger, opened.archive, now_micros())
        compact_archive(opened)
    with open_folder(folder, None, None) as opened:
        if not are_fresh(opened.ledger, opened.archive, folder):
            write_outputs(opened.ledger, opened.archive, folder)
        _tell(folder, opened.ledger)
        click.echo(f"archive: {folder / ARCHIVE}")


def _write_all(folder: Path) -> None:
    with open_folder(folder, None, None) as opened:
        adopted = recover(opened.ledger, opened.archive, now_micros())
        write_outputs(opened.ledger, opened.archive, folder)
        _tell(folder, opened.ledger)
        if adopted:
            click.echo(f"{counted(adopted, 'image')} stored just before a stop: kept")
        click.echo(f"archive: {folder / ARCHIVE}")


def _write_tables(folder: Path) -> None:
    ledger = read_ledger(folder)
    try:
        written = write_tables_beside(ledger, folder)
        _tell(folder, ledger, is_running=True)
        what = "the ZIP" if written else "its outputs"
        click.echo(f"the run is working: it finishes {what} itself")
    finally:
        ledger.close()


def _write_page(folder: Path) -> None:
    # Only here: what draws the page costs every other report its time to load.
    from batchgen.report.page import write_page

    ledger = read_ledger(folder)
    try:
        path = write_page(ledger, folder, datetime.now(UTC))
    finally:
        ledger.close()
    click.echo(f"report: {path} ({path.stat().st_size / 1e6:,.1f} MB)")


def _tell(folder: Path, ledger: Reader, *, is_running: bool = False) -> None:
    totals = ledger.totals(EVERY_ROW)
    click.echo(
        "\n".join([rows_line(totals), *money_lines(totals, is_running=is_running)])
    )
    if ledger.meta.plan_digest is None:
        click.echo("the manifest was not read to its end; `batchgen run` does that")
    click.echo(f"table: {folder / TABLE}")
    click.echo(f"for accounting: {folder / PURCHASES}")
    for line in cause_lines(causes_among(ledger, totals.rows, EVERY_ROW)):
        click.echo(line)
