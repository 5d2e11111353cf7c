"""Make contact sheets of a run's images: PNG pages, or one PDF."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from batchgen.errors import StorageError, UsageError
from batchgen.images.pixels import scaled
from batchgen.ledger import Reader
from batchgen.ledger.lookup import place_of
from batchgen.manifest.wording import shown
from batchgen.output import ARCHIVE
from batchgen.output.diskfile import DiskFile
from batchgen.output.pdf_pages import PdfPages
from batchgen.output.table_selection import Selection
from batchgen.output.walk import image_at
from batchgen.output.whole import replacing
from batchgen.report.contact_drawing import DPI, Cell, pages
from batchgen.report.table_columns import check_columns

if TYPE_CHECKING:
    from PIL import Image

SheetFormat = Literal["png", "pdf"]

MAX_PER_ROW = 12
_JPEG_QUALITY = 88


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSheets:
    """Contact sheets that were made.

    Attributes:
        path: The folder of the PNG pages, or the PDF; nothing is there if there are no
            pages.
        images: How many stand on the pages.
        undrawn: How many of them have an empty frame, as they cannot be read.
    """

    path: Path
    pages: int
    images: int
    undrawn: int


class _Thumbnails:
    """Reads images out of the ZIP, one at a time, and counts them."""

    def __init__(self, ledger: Reader, archive: DiskFile) -> None:
        self._ledger = ledger
        self._archive = archive
        self.images = 0
        self.undrawn = 0

    def draw(self, cell: Cell, side_px: int) -> Image.Image | None:
        """Return the thumbnail of an image; None if it cannot be read."""
        self.images += 1
        small = self._read(cell, side_px)
        self.undrawn += small is None
        return small

    def _read(self, cell: Cell, side_px: int) -> Image.Image | None:
        place = place_of(self._ledger, cell.name)
        try:
            data = None if place is None else image_at(self._archive, place)
        except StorageError:
            data = None
        return scaled(data, cell.media_type, side_px) if data else None


def make_contact_sheets(
    ledger: Reader,
    selection: Selection,
    path: Path,
    sheet_format: SheetFormat,
    per_row: int,
) -> ContactSheets:
    """Make contact sheets; a run may work on the folder meanwhile.

    Args:
        ledger: Of the run.
        selection: Which images; its columns make the groups.
        path: The folder of PNG pages, or the PDF. Pages that are there are replaced.
        sheet_format: `png` or `pdf`.
        per_row: Images beside one another.

    Raises:
        SpecError: there is no such column, or the condition is none.
        StorageError: a page cannot be written.
    """
    check_columns(selection)
    footer = ledger.path.parent.resolve().name
    if ledger.is_rehearsal:
        footer += " (rehearsal)"
    with closing(DiskFile(ledger.path.parent / ARCHIVE)) as archive:
        thumbnails = _Thumbnails(ledger, archive)
        drawn = pages(_cells(selection), thumbnails.draw, per_row, footer)
        write = _write_pdf if sheet_format == "pdf" else _write_pngs
        count = write(drawn, path)
    return ContactSheets(
        path=path, pages=count, images=thumbnails.images, undrawn=thumbnails.undrawn
    )


def check_sheets(sheet_format: str, per_row: int) -> None:
    """Refuse another format, or a number of images that a page cannot have.

    Raises:
        UsageError: it is one.
    """
    if sheet_format not in get_args(SheetFormat):
        raise UsageError(f"no format {sheet_format!r}: choose png or pdf")
    if not 1 <= per_row <= MAX_PER_ROW:
        raise UsageError(f"{per_row} images in a row: choose 1 to {MAX_PER_ROW}")


def refuse_replacing(path: Path, sheet_format: SheetFormat) -> None:
    """Refuse a place that has contact sheets, or the file, already.

    Raises:
        UsageError: it has.
    """
    is_there = path.exists()
    if sheet_format == "png":
        is_there = is_there and (not path.is_dir() or any(path.glob("contact-*.png")))
    if is_there:
        raise UsageError(
            f"{shown(path)} is there already and is not replaced: delete or move it, "
            "or name another --to"
        )


def _cells(selection: Selection) -> Iterable[Cell]:
    cells = _cells_in_order(selection)
    if not selection.by:
        return cells
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    return (cell for group in sorted(groups) for cell in groups[group])


def _cells_in_order(selection: Selection) -> Iterator[Cell]:
    for row in selection.rows():
        values = [(column, row[column]) for column in selection.by]
        group = ", ".join(
            f"{column}: {'none' if value is None else value}"
            for column, value in values
        )
        for file in row["files"]:
            name, row_id = file["name"] or "", row["id"]
            labels = (name,) if Path(name).stem == row_id else (row_id, name)
            yield Cell(group, labels, name, file["media_type"])


def _write_pngs(drawn: Iterable[Image.Image], folder: Path) -> int:
    count = 0
    for count, page in enumerate(drawn, start=1):
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"contact-{count:03}.png") as file:
            page.save(file, "PNG", dpi=(DPI, DPI))
    # Pages of an earlier call, which had more of them.
    for path in folder.glob("contact-*.png"):
        number = path.stem.removeprefix("contact-")
        if number.isdecimal() and int(number) > count:
            path.unlink()
    return count


def _write_pdf(drawn: Iterable[Image.Image], path: Path) -> int:
    rest = iter(drawn)
    page = next(rest, None)
    if page is None:
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with replacing(path) as file:
        pdf = PdfPages(file, DPI)
        while page is not None:
            content = io.BytesIO()
            page.save(content, "JPEG", quality=_JPEG_QUALITY)
            pdf.add(content.getvalue(), page.width, page.height)
            count += 1
            page = next(rest, None)
        pdf.end()
    return count
