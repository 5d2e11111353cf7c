"""What `batchgen report` says of the ZIP itself: compacted, or verified."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click

from batchgen.addresses.characters import visible_line
from batchgen.cli.formatting import counted
from batchgen.cli.streams import write_error
from batchgen.errors import ArchiveDamaged
from batchgen.model import dollars
from batchgen.output import ARCHIVE
from batchgen.report.archive_verification import Damage, Verification, verify
from batchgen.report.compaction import CompactionResult, compact
from batchgen.runner.folder import RunFolder

SILENT_S = 5.0
EVERY_S = 10.0

Told = Callable[[int, int], None]


def compact_archive(folder: RunFolder) -> None:
    """Compact the ZIP and say what came of it."""
    done = compact(folder, progress_lines("compacting"))
    click.echo(_compacted_words(done))
    if done.removed_superseded:
        superseded = counted(done.removed_superseded, "image")
        click.echo(
            f"among them {superseded} of rows that you changed or removed: should such "
            "a row come back, it is bought again only with --rebuy"
        )
    if not done.is_plan_whole:
        click.echo(
            "the manifest was not read to its end, so images of rows that it may have "
            "lost were kept; `batchgen run` reads it"
        )


def _compacted_words(done: CompactionResult) -> str:
    if not done.removed and not done.freed_bytes:
        return f"nothing to compact: the ZIP holds {_images(done.images)}, all in use"
    removed = counted(done.removed, "image")
    return (
        f"compacted: {done.freed_bytes:,} bytes are free again "
        f"({removed} without a row removed, {_images(done.images)} kept)"
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
    verb = "is" if verification.damaged_count == 1 else "are"
    price = f"about {dollars(verification.estimate, pretend=verification.rehearsed)}"
    if verification.unpriced:
        price += (
            f", and {counted(verification.unpriced, 'image')} without a known price"
        )
    return (
        f"{archive}: {verification.damaged_count} of {_images(verification.images)} "
        f"{verb} damaged. "
        "Restore the file from a copy and verify that; or buy these images again "
        f"({price}): write the ids of their rows into a file, one a line, then "
        "`batchgen retry RUN --status succeeded --ids FILE`. Nothing was changed"
    )


def _images(count: int) -> str:
    return f"{count:,} image" if count == 1 else f"{count:,} images"


def progress_lines(verb: str) -> Told:
    """Return what writes a line to stderr now and then, if it takes long."""
    due_at = time.monotonic() + SILENT_S

    def show_progress(done: int, total: int) -> None:
        nonlocal due_at
        if time.monotonic() >= due_at:
            due_at = time.monotonic() + EVERY_S
            write_error(f"{verb}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")

    return show_progress
