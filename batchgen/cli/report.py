"""`batchgen report`: finish the ZIP and write the tables from what the ledger knows."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click

from batchgen.addresses.characters import visible_line
from batchgen.api.folder_records import Outputs
from batchgen.api.folders import Folder
from batchgen.cli.carry_on import folder_of
from batchgen.cli.formatting import cause_lines, counted, either, money_lines, rows_line
from batchgen.cli.messages import write_error
from batchgen.errors import ArchiveDamaged, UsageError
from batchgen.ledger import Ledger, Reader
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.model import dollars, now_micros
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.table_formats import read_formats, table_copy
from batchgen.report.archive_verification import Damage, Verification, verify
from batchgen.report.compaction import CompactionResult, compact
from batchgen.runner.folder import (
    LEDGER,
    RunFolder,
    current_ledger,
    open_folder,
    require_run,
)
from batchgen.runner.resume import recover
from batchgen.runner.row_causes import causes_among
from batchgen.storage.chosen_tables import choose_tables, chosen_tables
from batchgen.storage.outputs import are_fresh, write_outputs


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--table",
    "tables",
    metavar="FORMAT[,FORMAT]",
    help="Write the result table as csv, xlsx or jsonl, too, now and whenever it is "
    "written; parquet for no other.",
)
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
def command(
    run: Path, *, tables: str | None, html: bool, compact: bool, verify: bool
) -> None:
    """Write ZIP and tables of RUN anew; needs no key and buys nothing.

    While the run works, only the tables are written: the ZIP is the run's to finish.

    \b
    batchgen report out/catalog --table csv,xlsx
    """  # noqa: D301 - click's mark for lines that stay as they are
    path = folder_of(run)
    folder = Folder.named(path)
    require_run(path)
    if tables is not None:
        _choose_tables(path, tables)
    if compact:
        _compact(path)
    elif not verify:
        _show_outputs(folder, folder.write_outputs())
    if html:
        page = folder.write_page()
        click.echo(f"report: {page} ({page.stat().st_size / 1e6:,.1f} MB)")
    if verify:
        verify_archive(path)


def _choose_tables(folder: Path, text: str) -> None:
    try:
        formats = read_formats(text)
    except ValueError as error:
        raise UsageError(f"--table: {error}") from error
    # A ledger of an older version is brought up to date only if no run works on it.
    with (
        current_ledger(folder),
        closing(Ledger(folder / LEDGER)) as ledger,
        ledger.transaction(),
    ):
        choose_tables(ledger, folder, formats)


def _compact(folder: Path) -> None:
    with open_folder(folder, None, None) as opened:
        recover(opened.ledger, opened.archive, now_micros())
        compact_archive(opened)
    with open_folder(folder, None, None) as opened:
        if not are_fresh(opened.ledger, opened.archive, folder):
            write_outputs(opened.ledger, opened.archive, folder)
        _show_totals(folder, opened.ledger)
        click.echo(f"archive: {folder / ARCHIVE}")


def _show_outputs(folder: Folder, outputs: Outputs) -> None:
    with folder.reading() as ledger:
        _show_totals(folder.path, ledger, is_running=outputs.is_running)
    if outputs.is_running:
        what_is_left = "the ZIP" if outputs.has_tables else "its outputs"
        click.echo(f"the run is working: it finishes {what_is_left} itself")
        return
    if adopted := outputs.adopted_images:
        click.echo(f"{counted(adopted, 'image')} stored just before a stop: kept")
    click.echo(f"archive: {folder.path / ARCHIVE}")


def _show_totals(folder: Path, ledger: Reader, *, is_running: bool = False) -> None:
    totals = ledger.totals(EVERY_ROW)
    click.echo(
        "\n".join([rows_line(totals), *money_lines(totals, is_running=is_running)])
    )
    if ledger.meta.plan_digest is None:
        click.echo("the manifest was not read to its end; `batchgen run` does that")
    click.echo(f"table: {folder / TABLE}")
    for name in map(table_copy, chosen_tables(ledger)):
        click.echo(f"the same as {folder / name}")
    click.echo(f"for accounting: {folder / PURCHASES}")
    for line in cause_lines(causes_among(ledger, totals.rows, EVERY_ROW)):
        click.echo(line)


SILENT_S = 5.0
EVERY_S = 10.0

ProgressCallback = Callable[[int, int], None]


def compact_archive(folder: RunFolder) -> None:
    """Compact the ZIP and say what came of it."""
    result = compact(folder, progress_lines("compacting"))
    click.echo(_compaction_line(result))
    if result.removed_superseded:
        superseded = counted(result.removed_superseded, "image")
        click.echo(
            f"among them {superseded} of rows that you changed or removed: should such "
            "a row come back, it is bought again only with --rebuy"
        )
    if not result.is_plan_whole:
        click.echo(
            "the manifest was not read to its end, so images of rows that it may have "
            "lost were kept; `batchgen run` reads it"
        )


def _compaction_line(result: CompactionResult) -> str:
    if not result.removed and not result.freed_bytes:
        return f"nothing to compact: the ZIP holds {_images(result.images)}, all in use"
    removed = counted(result.removed, "image")
    return (
        f"compacted: {result.freed_bytes:,} bytes are free again "
        f"({removed} without a row removed, {_images(result.images)} kept)"
    )


def verify_archive(folder: Path) -> None:
    """Verify the ZIP and say what came of it.

    Raises:
        ArchiveDamaged: something is not what was stored.
    """
    verification = verify(folder, progress_lines("verifying"))
    archive = folder / ARCHIVE
    for damage in verification.damaged:
        click.echo(_damage_line(damage))
    if verification.damaged_count > len(verification.damaged):
        click.echo(
            f"... and {verification.damaged_count - len(verification.damaged):,} more"
        )
    if verification.damaged_count:
        raise ArchiveDamaged(_damaged_words(archive, verification))
    if verification.directory is not None:
        raise ArchiveDamaged(
            f"{archive}: every image is whole, but {verification.directory}; "
            "`batchgen report RUN` writes the directory anew"
        )
    size = f"{verification.size_bytes / 1e6:,.1f} MB"
    click.echo(f"{archive}: {_images(verification.images)} ({size}) whole")
    if verification.is_working:
        click.echo("a run is working: it writes the ZIP's directory at its end")
    elif not verification.is_finished:
        click.echo(
            "the ZIP's directory is older than the ledger; `batchgen report RUN` "
            "writes it anew"
        )


def _damage_line(damage: Damage) -> str:
    member = damage.member
    where = "a row that the manifest no longer holds"
    if member.row_name is not None:
        where = f'row "{visible_line(str(member.row_name))}"'
    name = visible_line(member.name)
    return f"damaged: {name} ({where}, image {member.image}): {damage.problem}"


def _damaged_words(archive: Path, verification: Verification) -> str:
    price = f"about {dollars(verification.estimate, pretend=verification.rehearsed)}"
    if verification.unpriced:
        price += (
            f", and {counted(verification.unpriced, 'image')} without a known price"
        )
    return (
        f"{archive}: {verification.damaged_count} of {_images(verification.images)} "
        f"{either(verification.damaged_count, 'is', 'are')} damaged. "
        "Restore the file from a copy and verify that; or buy these images again "
        f"({price}): write the ids of their rows into a file, one a line, then "
        "`batchgen retry RUN --status succeeded --ids FILE`. Nothing was changed"
    )


def _images(count: int) -> str:
    return f"{count:,} {either(count, 'image', 'images')}"


def progress_lines(verb: str) -> ProgressCallback:
    """Return what writes a line to stderr now and then, if it takes long."""
    due_at = time.monotonic() + SILENT_S

    def show_progress(done_bytes: int, total_bytes: int) -> None:
        nonlocal due_at
        if time.monotonic() >= due_at:
            due_at = time.monotonic() + EVERY_S
            write_error(
                f"{verb}: {done_bytes / 1e6:,.0f} of {total_bytes / 1e6:,.0f} MB"
            )

    return show_progress
