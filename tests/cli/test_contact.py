"""`batchgen contact`: every image on a page, in groups, and memory stays flat."""

from __future__ import annotations

import json
import re
import resource
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from batchgen.output.pdf_pages import PdfPages
from batchgen.report.contact_drawing import PAGE_PX, Cell, pages, shortened
from batchgen.runner.folder import open_folder
from tests.cli.command import Shop, batchgen
from tests.warm import Ended


@pytest.fixture
def branded(shop: Shop) -> Shop:
    """Return a shop where five rows of two brands were bought."""
    brands = ("Brio", "Lego", "Brio", "Brio", "Lego")
    rows = [f"r{row},cup {row},{brand}" for row, brand in enumerate(brands)]
    shop.write("m.csv", "\n".join(["id,prompt,brand", *rows, ""]))
    assert shop.run("m.csv", "--yes", "--quiet").code == 0
    return shop


def contact(shop: Shop, *options: str) -> Ended:
    return batchgen("contact", "out/m", *options, at=shop.folder)


def is_blank(page: Image.Image) -> bool:
    white = Image.new("RGB", page.size, (255, 255, 255))
    return ImageChops.difference(page.convert("RGB"), white).getbbox() is None


def test_all_images_stand_on_png_pages(branded: Shop) -> None:
    ended = contact(branded, "--json")

    document = json.loads(ended.stdout)
    assert ended.code == 0
    assert document["format"] == "batchgen.contact/1"
    assert (document["pages"], document["images"], document["undrawn"]) == (1, 5, 0)
    with Image.open(branded.folder / "out/m/contact/contact-001.png") as page:
        assert page.size == PAGE_PX
        assert not is_blank(page)


def test_a_link_that_a_folder_brings_along_is_not_followed(branded: Shop) -> None:
    page = branded.folder / "elsewhere/contact-001.png"
    page.parent.mkdir()
    page.write_text("of somebody else")
    (branded.folder / "out/m/contact").symlink_to(page.parent)

    ended = contact(branded)

    assert ended.code == 1
    assert "contact is a symbolic link" in ended.stderr
    assert page.read_text() == "of somebody else"


def test_one_pdf_has_all_pages(branded: Shop) -> None:
    ended = contact(branded, "--format", "pdf", "--per-row", "1", "--to", "all.pdf")

    content = (branded.folder / "all.pdf").read_bytes()
    assert ended.code == 0
    assert "all.pdf (5 pages, 5 images)" in ended.stdout
    assert len(jpegs_of(content)) == 5
    assert not (branded.folder / "out/m/contact.pdf").exists()


def jpegs_of(pdf: bytes) -> list[bytes]:
    """Read a PDF by its table of objects; return the picture of each page in order."""
    match = re.search(rb"startxref\n(\d+)\n%%EOF\n$", pdf)
    assert match is not None
    table = pdf[int(match[1]) :]
    assert table.startswith(b"xref\n0 ")
    entries = re.findall(rb"^(\d{10}) 00000 n $", table, re.MULTILINE)
    objects = {}
    for number, place in enumerate(map(int, entries), start=1):
        head = b"%d 0 obj\n" % number
        assert pdf[place:].startswith(head)
        objects[number] = pdf[place + len(head) :]
    root = re.search(rb"/Root (\d+) 0 R", table)
    assert root is not None
    tree = objects[reference(objects[int(root[1])], b"Pages")]
    kids = re.search(rb"/Kids \[(.*?)\]", tree)
    assert kids is not None
    images = []
    for kid in re.findall(rb"(\d+) 0 R", kids[1]):
        image = objects[reference(objects[int(kid)], b"Picture")]
        length = re.search(rb"/Length (\d+)", image)
        assert length is not None
        start = image.index(b"stream\n") + 7
        images.append(image[start : start + int(length[1])])
        assert images[-1].startswith(b"\xff\xd8")
    return images


def reference(text: bytes, name: bytes) -> int:
    match = re.search(rb"/%b (\d+) 0 R" % name, text)
    assert match is not None
    return int(match[1])


def test_again_there_are_as_many_pages_as_images_need(branded: Shop) -> None:
    assert contact(branded, "--per-row", "1").code == 0
    folder = branded.folder / "out/m/contact"
    assert len([*folder.iterdir()]) == 5

    assert contact(branded, "--where", "brand = 'Lego'").code == 0

    assert [path.name for path in folder.iterdir()] == ["contact-001.png"]


@pytest.mark.parametrize("sheet_format", ["png", "pdf"])
def test_what_somebody_has_is_not_replaced(branded: Shop, sheet_format: str) -> None:
    words = ("--format", sheet_format, "--to", "sheets")
    assert contact(branded, *words).code == 0

    ended = contact(branded, *words)

    assert ended.code == 2
    assert "sheets is there already and is not replaced" in ended.stderr


def test_images_are_shown_while_a_run_works(branded: Shop) -> None:
    with open_folder(branded.folder / "out/m", None, None):
        assert contact(branded, "--by", "brand,status").code == 0


def test_an_image_that_cannot_be_read_leaves_an_empty_frame(branded: Shop) -> None:
    archive = branded.folder / "out/m/images.zip"
    with zipfile.ZipFile(archive) as opened:
        place = opened.infolist()[1].header_offset
    data = bytearray(archive.read_bytes())
    data[place + 400] ^= 1
    archive.write_bytes(data)

    ended = contact(branded)

    assert ended.code == 3
    assert "1 page, 5 images" in ended.stdout
    assert "1 image could not be read" in ended.stdout


def test_without_images_nothing_is_written(branded: Shop) -> None:
    ended = contact(branded, "--where", "brand = 'none'", "--format", "pdf")

    assert ended.code == 0
    assert ended.stdout == "no images to show (yet)\n"
    assert not [*(branded.folder / "out/m").glob("contact*")]


def test_a_column_that_is_not_there_is_named(branded: Shop) -> None:
    ended = contact(branded, "--by", "brnad")

    assert ended.code == 2
    assert "no column `brnad`" in ended.stderr


# -- the pages themselves


def grey(_: Cell, side_px: int) -> Image.Image:
    return Image.new("RGB", (side_px, side_px // 2), (90, 90, 90))


def cells(count: int, groups: int = 1) -> Iterator[Cell]:
    for number in range(count):
        group = f"brand: {number * groups // count}" if groups > 1 else ""
        yield Cell(
            group, (f"r{number}", f"r{number}.png"), f"r{number}.png", "image/png"
        )


def test_a_group_begins_with_a_heading_and_goes_on_with_it() -> None:
    drawn: list[str] = []

    def draw(cell: Cell, side_px: int) -> Image.Image:
        drawn.append(cell.group)
        return grey(cell, side_px)

    sheets = [*pages(cells(40, groups=2), draw, 4, "shop")]

    assert drawn == ["brand: 0"] * 20 + ["brand: 1"] * 20
    assert len(sheets) == 3
    assert all(not is_blank(page.crop((60, 60, 1180, 100))) for page in sheets)


@pytest.mark.parametrize(("per_row", "count", "expected"), [(1, 3, 3), (12, 200, 2)])
def test_pages_hold_what_fits(per_row: int, count: int, expected: int) -> None:
    assert len([*pages(cells(count), grey, per_row, "shop")]) == expected


def test_thousands_of_images_need_the_memory_of_a_page(tmp_path: Path) -> None:
    sheets = pages(cells(3000), grey, 12, "shop")
    next(sheets)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with (tmp_path / "all.pdf").open("wb") as file:
        pdf = PdfPages(file, 150)
        for page in sheets:
            pdf.add(page.tobytes()[:1000], page.width, page.height)
        pdf.end()

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


@pytest.mark.parametrize("text", ["", "short", "x" * 5000, "two\nlines\x1b[31m"])
def test_a_label_is_one_line_that_fits(text: str) -> None:
    label = shortened(text, 200, 18)

    assert label.isprintable()
    assert label.endswith("...") == (len(text) > 1000)
