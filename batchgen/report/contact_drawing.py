"""Draw contact sheets: thumbnails with labels, in groups, on pages of A4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from batchgen.addresses.characters import visible_line

DPI = 150
PAGE_PX = (1240, 1754)

_MARGIN, _GAP = 60, 20
_HEADING_PX, _HEADING_ROOM = 26, 56
_LABEL_PX, _LABEL_ROOM = 18, 24
_LABELS = 2
_FOOTER_ROOM = 40

_WHITE, _GREY, _BLACK = (255, 255, 255), (128, 128, 128), (20, 20, 20)
_EMPTY = (235, 235, 235)
_DOTS = "..."

_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
)
"""Fonts of common systems, those with the most letters first. The one that Pillow
brings along has few beyond those of Western Europe."""


class Cell(NamedTuple):
    """One image of a sheet.

    Attributes:
        group: Heading under which it stands; empty for none.
        labels: Lines below it, at most two.
        name: Of its member in the ZIP.
    """

    group: str
    labels: tuple[str, ...]
    name: str
    media_type: str


Draw = Callable[[Cell, int], Image.Image | None]
"""Returns the thumbnail of a cell within a square of this side; None for none."""


def pages(
    cells: Iterable[Cell], draw: Draw, per_row: int, footer: str
) -> Iterator[Image.Image]:
    """Yield the pages, each when it is full; memory holds one page.

    Args:
        cells: In order; cells of a group follow one another.
        draw: Makes the thumbnails.
        per_row: Images beside one another.
        footer: Stands at the foot of each page, before its number.
    """
    sheet = _Sheet(per_row, footer)
    group = ""
    for cell in cells:
        if cell.group != group:
            group = cell.group
            if page := sheet.begin_group(group):
                yield page
        elif page := sheet.make_room(group):
            yield page
        sheet.add(cell, draw)
    if page := sheet.take():
        yield page


class _Sheet:
    """The page that is being drawn, and where its next image goes."""

    def __init__(self, per_row: int, footer: str) -> None:
        self._per_row = per_row
        self._footer = footer
        self._side = (PAGE_PX[0] - 2 * _MARGIN - (per_row - 1) * _GAP) // per_row
        self._row_height = self._side + _LABELS * _LABEL_ROOM + _GAP
        self._bottom = PAGE_PX[1] - _MARGIN - _FOOTER_ROOM
        self._number = 0
        self._new_page()

    def _new_page(self) -> None:
        self._page = Image.new("RGB", PAGE_PX, _WHITE)
        self._pen = ImageDraw.Draw(self._page)
        self._y, self._column = _MARGIN, 0
        self._is_empty = True

    def begin_group(self, heading: str) -> Image.Image | None:
        """Write a heading; return the page before, if that is full."""
        self._end_row()
        full = self._leave_if_full(_HEADING_ROOM + self._row_height)
        self._write_heading(heading)
        return full

    def make_room(self, heading: str) -> Image.Image | None:
        """Make room for an image; return the page before, if that is full."""
        if self._column < self._per_row:
            return None
        self._end_row()
        full = self._leave_if_full(self._row_height)
        if full is not None and heading:
            self._write_heading(f"{heading} (continued)")
        return full

    def _end_row(self) -> None:
        if self._column:
            self._y += self._row_height
            self._column = 0

    def _leave_if_full(self, needed: int) -> Image.Image | None:
        if self._is_empty or self._y + needed <= self._bottom:
            return None
        return self.take()

    def _write_heading(self, heading: str) -> None:
        room = PAGE_PX[0] - 2 * _MARGIN
        text = shortened(heading, room, _HEADING_PX)
        self._pen.text((_MARGIN, self._y), text, _BLACK, _font(_HEADING_PX))
        self._y += _HEADING_ROOM

    def add(self, cell: Cell, draw: Draw) -> None:
        """Draw an image and its labels."""
        left = _MARGIN + self._column * (self._side + _GAP)
        small = draw(cell, self._side)
        if small is None:
            box = (left, self._y, left + self._side, self._y + self._side)
            self._pen.rectangle(box, _EMPTY)
        else:
            x = left + (self._side - small.width) // 2
            y = self._y + (self._side - small.height) // 2
            self._page.paste(small, (x, y), small if small.mode == "RGBA" else None)
        for line, label in enumerate(cell.labels[:_LABELS]):
            top = self._y + self._side + 4 + line * _LABEL_ROOM
            text = shortened(label, self._side, _LABEL_PX)
            colour = _GREY if line else _BLACK
            self._pen.text((left, top), text, colour, _font(_LABEL_PX))
        self._column += 1
        self._is_empty = False

    def take(self) -> Image.Image | None:
        """Return the page, and begin another; None if nothing is on it."""
        if self._is_empty:
            return None
        self._number += 1
        text = f"{self._footer} - {self._number}"
        foot = (_MARGIN, PAGE_PX[1] - _MARGIN)
        self._pen.text(foot, text, _GREY, _font(_LABEL_PX), anchor="ls")
        page = self._page
        self._new_page()
        return page


def shortened(text: str, room_px: int, size_px: int) -> str:
    """Return a text as one line that fits; what is too long ends in three dots."""
    font = _font(size_px)
    line = visible_line(text)[: room_px // 2]
    if font.getlength(line) <= room_px:
        return line
    while line and font.getlength(line + _DOTS) > room_px:
        line = line[:-1]
    return line + _DOTS


@lru_cache
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size_px)  # looks where systems keep fonts
        except OSError:
            continue
    return ImageFont.load_default(size_px)
