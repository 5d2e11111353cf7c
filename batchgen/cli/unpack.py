"""`batchgen unpack`: the images of a run as files of their own."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchgen.addresses.characters import visible
from batchgen.cli.carry_on import folder_of
from batchgen.cli.formatting import counted
from batchgen.cli.json_writer import exact_json, tagged
from batchgen.errors import SpecError, UsageError
from batchgen.manifest.wording import shown
from batchgen.runner.folder import is_locked

if TYPE_CHECKING:
    from batchgen.report.unpacking import Unpacked

FILES_SHOWN = 10
NOT_ALL = 3
"""Exit code where some images could not be written."""


@click.command("unpack")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN[,COLUMN]",
    help="A folder for each value of these columns of the result table, your own "
    "included.",
)
@click.option(
    "--where",
    metavar="SQL",
    help="Only rows for which this is true, such as \"brand = 'Brio'\".",
)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where to write them (default: `images` in the run folder).",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def command(
    context: click.Context,
    /,
    run: Path,
    *,
    by: tuple[str, ...],
    where: str | None,
    to: Path | None,
    as_json: bool,
) -> None:
    """Write the images of RUN into files of their own, also while the run works.

    \b
    batchgen unpack out/catalog --by brand
    batchgen unpack out/catalog --where "status = 'succeeded'" --to photos

    The same command again writes only what is missing. A file that is there already is
    never replaced. The ZIP stays as it is.

    \b
    Exit codes: 0 every image is there now; 3 some are not, and the last lines say why.
    """  # noqa: D301 - click's mark for lines that stay as they are
    # Imported here: it loads all of the engine.
    from batchgen.api.folders import open_run_folder

    folder = folder_of(run)
    is_running = is_locked(folder)
    try:
        unpacked = open_run_folder(folder).unpack(to, by=column_names(by), where=where)
    except SpecError as error:
        raise UsageError(str(error)) from error
    lines = [_as_json(unpacked)] if as_json else _lines(unpacked, is_running=is_running)
    click.echo(visible("\n".join(lines)))
    context.exit(0 if unpacked.is_whole else NOT_ALL)


def column_names(texts: Iterable[str]) -> list[str]:
    """Return names that are parted by commas, each once; one with a comma is quoted.

    Raises:
        UsageError: a quotation mark does not end.
    """
    try:
        rows = list(csv.reader(texts, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise UsageError(f"--by: {error}: quote a name that has a comma") from error
    return list(dict.fromkeys(name for row in rows for name in row))


def _lines(unpacked: Unpacked, *, is_running: bool) -> list[str]:
    folder = shown(unpacked.folder)
    size = f"{unpacked.size_bytes / 1e6:,.1f} MB"
    lines = [f"{counted(unpacked.images, 'image')} ({size}) written to {folder}"]
    if unpacked.images_there:
        verb = "was" if unpacked.images_there == 1 else "were"
        lines.append(f"{counted(unpacked.images_there, 'image')} {verb} there already")
    if unpacked.other_files_count:
        lines += _other_files(unpacked)
    if unpacked.damaged_count:
        lines += _damaged(unpacked)
    if is_running:
        lines.append("the run is working: run this again for the images to come")
    return lines


def _other_files(unpacked: Unpacked) -> list[str]:
    files = counted(unpacked.other_files_count, "file")
    paths = [f"  {shown(path)}" for path in unpacked.other_files[:FILES_SHOWN]]
    return [
        f"{files} of another content had the name of an image, and stayed (move or "
        "delete them, or name another folder with --to):",
        *paths,
        *_hidden(unpacked.other_files_count),
    ]


def _damaged(unpacked: Unpacked) -> list[str]:
    images = counted(unpacked.damaged_count, "image")
    return [
        f"{images} could not be read from the ZIP (`batchgen report RUN --verify` "
        "says more):",
        *(f"  {line}" for line in unpacked.damaged[:FILES_SHOWN]),
        *_hidden(unpacked.damaged_count),
    ]


def _hidden(count: int) -> list[str]:
    return [f"  and {count - FILES_SHOWN:,} more"] if count > FILES_SHOWN else []


def _as_json(unpacked: Unpacked) -> str:
    document = {
        "folder": str(unpacked.folder),
        "images": unpacked.images,
        "size_bytes": unpacked.size_bytes,
        "images_there": unpacked.images_there,
        "other_files_count": unpacked.other_files_count,
        "other_files": [str(path) for path in unpacked.other_files],
        "damaged_count": unpacked.damaged_count,
        "damaged": unpacked.damaged,
    }
    return exact_json(tagged("unpack", document))
