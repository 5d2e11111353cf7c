"""`batchgen retry`: mark rows to be tried again."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import click

from batchgen.api.folders import Folder
from batchgen.cli.carry_on import address_notes, amount, carry_on_command, folder_of
from batchgen.cli.formatting import NO_MONEY, cause_lines, counted, either
from batchgen.errors import UsageError
from batchgen.ledger import Reader
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.ledger.outstanding import outstanding_after_retry
from batchgen.ledger.selection import rows_named, stale_children
from batchgen.manifest.wording import refuse_irregular
from batchgen.model import Status, dollars, to_usd
from batchgen.output.spreadsheet_cells import plain_cell
from batchgen.runner.required_budget import required_after_retry
from batchgen.runner.retry_marks import REJECT, STATUSES, SelectedRow
from batchgen.runner.row_causes import Cause, causes_of


@click.command("retry")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES),
    help="All rows of this status; by default those failed and held rows that trying "
    "again can help. With --ids, `succeeded` gives up images that are in the ZIP, and "
    "buys others in their place.",
)
@click.option(
    "--ids",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with one id a line, or a .csv with a column `id`, and maybe `image`, "
    "such as report.html makes.",
)
@click.option(
    "--with-children",
    is_flag=True,
    help="Also buy rows again that were made from images which are bought again "
    "(`row:<id>` among their references).",
)
def command(
    run: Path, statuses: tuple[str, ...], ids: Path | None, *, with_children: bool
) -> None:
    """Mark rows of RUN to be tried again, and print the command that does it.

    With --ids, only those rows; with --status, too, those of them that have it.
    Attempts made so far no longer count against --max-attempts.
    """
    folder = Folder.named(folder_of(run))
    with folder.reading():
        pass  # a folder that cannot be read is told before a wrong selection
    if ids is None and REJECT in statuses:
        raise UsageError(
            f"--status {REJECT} gives up images that were paid for: say which by --ids"
        )
    selection = None if ids is None else read_selection(ids)
    with folder.reading() as ledger:
        selected, others = _causes(ledger, statuses, selection)
    marked_rows = folder.retry(
        status=statuses, ids=selection, with_children=with_children
    )
    click.echo(f"{counted(marked_rows, 'row', 'is')} marked to be tried again")
    _show_causes(selected, others)
    _show_children(folder)
    if marked_rows:
        _show_price(folder)
    if selection is not None and REJECT not in statuses:
        _show_unmarked(folder, selection)


def _show_children(folder: Folder) -> None:
    """Say which rows keep images that were made from images which are bought again."""
    with folder.reading() as ledger:
        count = len(stale_children(ledger))
    if not count:
        return
    origin = either(
        count, "was made from an image that is", "were made from images that are"
    )
    fate = either(count, "stays as it is", "stay as they are")
    click.echo(
        f"{counted(count, 'row')} {origin} bought again, and {fate}; to make "
        f"{either(count, 'that row', 'those')} anew, too, add --with-children"
    )


def _causes(
    ledger: Reader, statuses: tuple[str, ...], selection: list[SelectedRow] | None
) -> tuple[list[Cause], list[Cause]]:
    """Return why the rows to be marked did not succeed, and why others did not.

    Args:
        ledger: The ledger, in which nothing is marked yet.
        statuses: Of the rows to be marked; empty for those that trying again can help.
        selection: The rows that were picked; None where none were.
    """
    if selection is not None:
        rows = rows_named(ledger, {pick.id for pick in selection}).values()
        among = {row_id for row_id in rows if row_id is not None}
        price_row = causes_of(ledger, EVERY_ROW, among)
        return [
            cause for cause in price_row if not statuses or cause.status in statuses
        ], []
    selected, others = [], []
    for cause in causes_of(ledger, EVERY_ROW):
        if cause.status in statuses if statuses else cause.retry_helps:
            selected.append(cause)
        elif not statuses and cause.status not in (Status.INVALID, Status.PENDING):
            others.append(cause)
    return selected, others


def _show_causes(selected: list[Cause], others: list[Cause]) -> None:
    """Say why rows did not succeed that were marked, or left as they are."""
    for line in cause_lines(selected):
        click.echo(f"  {line}")
    if not others:
        return
    count = sum(cause.rows for cause in others)
    statuses = sorted({cause.status for cause in others})
    options = " and ".join(f"--status {status}" for status in statuses)
    click.echo(
        f"{counted(count, 'row', 'is')} not marked, because trying again will not "
        f"help; {options} would mark all rows of that status all the same:"
    )
    for line in cause_lines(others):
        click.echo(f"  {line}")


def _show_unmarked(folder: Folder, selection: list[SelectedRow]) -> None:
    with folder.reading() as ledger:
        rows = {*rows_named(ledger, {entry.id for entry in selection}).values()}
        succeeded = sum(ledger.status(row) == REJECT for row in rows if row is not None)
    if succeeded:
        they_stay = either(succeeded, "stays as it is", "stay as they are")
        click.echo(
            f"{counted(succeeded, 'row')} succeeded and {they_stay}; to give up "
            f"images and buy others, add --status {REJECT}"
        )


def _show_price(folder: Folder) -> None:
    with folder.reading() as ledger:
        rest = outstanding_after_retry(ledger)
        price = dollars(to_usd(rest.estimate), pretend=ledger.is_rehearsal)
        if rest.unpriced:
            price += f" and {counted(rest.unpriced, 'row')} without a price"
        mark = f" ({NO_MONEY})" if ledger.is_rehearsal else ""
        click.echo(f"trying them may cost {price}{mark}")
        if ledger.attempts_with_lost_links(Status.PENDING):
            click.echo(
                "images that were paid for and did not download are tried again first"
            )
        required = required_after_retry(ledger)
        if required.run is not None:
            click.echo(f"for that --max-cost must be at least {amount(required.run)}")
        if (run_command := carry_on_command(ledger, required)) is not None:
            click.echo(f"to do it:\n  {run_command}")
            for note in address_notes(run_command):
                click.echo(f"  ({note})")


def read_selection(path: Path) -> list[SelectedRow]:
    """Read one id a line, or a .csv with a column `id`, and maybe `image`.

    Raises:
        UsageError: it is neither, or empty.
    """
    refuse_irregular(path)
    try:
        if path.suffix.lower() == ".csv":
            selection = list(_of_csv(path))
        else:
            lines = path.read_text("utf-8-sig").splitlines()
            selection = [SelectedRow(line.strip()) for line in lines if line.strip()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: one id a line") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV: {error}") from error
    if not selection:
        raise UsageError(f"{path} holds no id: one id a line")
    return selection


def _of_csv(path: Path) -> Iterator[SelectedRow]:
    # Ids may hold line breaks and spaces of their own: nothing of them is stripped.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if "id" not in (reader.fieldnames or ()):
            raise UsageError(
                f"{path} has no column `id`: a .csv needs one (other files have one id "
                "a line)"
            )
        for line in reader:
            if line["id"]:
                name = plain_cell(line["id"])
                yield SelectedRow(
                    name, _image(line.get("image"), path, reader.line_num)
                )


def _image(text: str | None, path: Path, line: int) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{path}, line {line}: image is {text!r}, not a number from 1")
    return int(text)
