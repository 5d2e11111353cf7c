"""`batchgen contact`: labelled contact sheets of a run's images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchgen.addresses.characters import visible
from batchgen.cli.carry_on import folder_of
from batchgen.cli.formatting import counted
from batchgen.cli.json_writer import exact_json, tagged
from batchgen.cli.unpack import NOT_ALL, column_names
from batchgen.errors import SpecError, UsageError
from batchgen.manifest.wording import shown

if TYPE_CHECKING:
    from batchgen.report.contact_sheets import ContactSheets, SheetFormat


@click.command("contact")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN[,COLUMN]",
    help="A group for each value of these columns of the result table, your own "
    "included.",
)
@click.option(
    "--where",
    metavar="SQL",
    help="Only rows for which this is true, such as \"brand = 'Brio'\".",
)
@click.option(
    "--format",
    "sheet_format",
    type=click.Choice(["png", "pdf"]),
    default="png",
    help="A PNG for each page (default), or one PDF.",
)
@click.option(
    "--per-row",
    type=click.IntRange(1, 12),
    default=4,
    metavar="N",
    help="Images beside one another (default 4).",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder of the pages, or the PDF (default: `contact` or `contact.pdf` in the "
    "run folder).",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    /,
    run: Path,
    *,
    by: tuple[str, ...],
    where: str | None,
    sheet_format: SheetFormat,
    per_row: int,
    to: Path | None,
    as_json: bool,
) -> None:
    """Make contact sheets of RUN: pages of A4 with its images, id and file name below.

    \b
    batchgen contact out/catalog --by brand
    batchgen contact out/catalog --format pdf --per-row 6 --to sheets.pdf

    Works while the run goes on, with the images that are there. Letters that no font
    of this machine has become boxes: install Noto Sans CJK or DejaVu Sans.

    \b
    Exit codes: 0 all images are drawn; 3 some could not be read and have an empty
    frame.
    """  # noqa: D301 - click's mark for lines that stay as they are
    # Imported here: it loads all of the engine.
    from batchgen.api.folders import open_run_folder

    folder = open_run_folder(folder_of(run))
    try:
        sheets = folder.contact_sheets(
            to,
            by=column_names(by),
            where=where,
            sheet_format=sheet_format,
            per_row=per_row,
        )
    except SpecError as error:
        raise UsageError(str(error)) from error
    click.echo(visible(_as_json(sheets) if as_json else _as_text(sheets)))
    context.exit(NOT_ALL if sheets.undrawn else 0)


def _as_text(sheets: ContactSheets) -> str:
    if not sheets.pages:
        return "no images to show (yet)"
    pages, images = counted(sheets.pages, "page"), counted(sheets.images, "image")
    lines = [f"contact sheets: {shown(sheets.path)} ({pages}, {images})"]
    if sheets.undrawn:
        undrawn = counted(sheets.undrawn, "image")
        lines.append(
            f"{undrawn} could not be read: an empty frame stands there (`batchgen "
            "report RUN --verify` says more)"
        )
    return "\n".join(lines)


def _as_json(sheets: ContactSheets) -> str:
    document = {
        "path": str(sheets.path) if sheets.pages else None,
        "pages": sheets.pages,
        "images": sheets.images,
        "undrawn": sheets.undrawn,
    }
    return exact_json(tagged("contact", document))
