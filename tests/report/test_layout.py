"""The page fits the screen of a phone: nothing is cut, nothing lies upon another.

Where a Chromium is at hand, it measures; everywhere else the rules and the structure
that make the page fit are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from batchgen.report.page import PAGE, write_page
from tests.report.browser import CHROMIUM, faults_at
from tests.report.runs import NOW, Page, Row, made, png

WIDTHS_PX = (320, 390, 721, 768, 1440)
"""A small phone, a phone, the narrowest that has no cards, a tablet and a desk."""

LINK = f"https://shop.example.com/{'pathwithoutabreak' * 8}.jpg"
TEXTS = (
    "a cup",
    LINK,
    "青花瓷茶壶白色背景" * 12,
    "صورة استوديو لإبريق شاي أزرق " * 6,
    "W" * 300,
)


def awkward(count: int) -> list[Row]:
    """Return rows of long words, other scripts, large amounts, and failures."""
    pictures = [png("red"), png("blue"), None]
    return [
        Row(
            id=f"{TEXTS[number % 5]}-{number}",
            prompt=TEXTS[(number + 1) % 5],
            message=TEXTS[(number + 2) % 5],
            picture=pictures[number % 3],
            cost=1_234_567_890_123 if number % 4 else 92_500_001,
            own={"brand": TEXTS[number % 5], "colour": ("red", "blue")[number % 2]},
        )
        for number in range(count)
    ]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: its layout is not measured")
@pytest.mark.parametrize("count", [0, 1, 40])
def test_nothing_is_cut_and_no_label_lies_upon_another(
    count: int, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with made(run, awkward(count)) as folder:
        write_page(folder.ledger, folder.path, NOW)

    faults = faults_at(WIDTHS_PX, run / PAGE, tmp_path)

    assert faults == {width_px: [] for width_px in WIDTHS_PX}


def style_within(condition: str) -> str:
    """Return the rules of the page for a condition such as `max-width: 720px`."""
    style = files("batchgen.report").joinpath("report.css").read_text("utf-8")
    [start] = [
        match.end() for match in re.finditer(re.escape(f"({condition}) {{"), style)
    ]
    depth, end = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(style[end], 0)
        end += 1
    return style[start : end - 1]


def test_on_a_phone_each_row_of_a_table_becomes_a_card_with_named_values() -> None:
    phone = style_within("max-width: 720px")

    assert re.search(r"\.stack, [^{]*\.stack td \{ display: block;", phone)
    assert "content: attr(data-label)" in phone
    assert not re.search(r"min-width: [1-9]|white-space: nowrap", phone)


class Cells(HTMLParser):
    """The cells of the tables that become cards, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[dict[str, str | None]] = []
        self.tables: list[dict[str, str | None]] = []
        self._is_stack = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "table":
            self._is_stack = attributes.get("class") == "stack"
            self.tables.append(attributes)
        elif tag == "td" and self._is_stack:
            self.cells.append(attributes)


def test_a_card_names_each_value_and_stays_a_table_for_who_does_not_see_it(
    tmp_path: Path,
) -> None:
    with made(tmp_path, awkward(6)) as folder:
        text = write_page(folder.ledger, folder.path, NOW).read_text("utf-8")

    page = Cells(text)
    stacks = [table for table in page.tables if table.get("class") == "stack"]
    assert len(stacks) >= 3  # groups, and the failures
    assert all(stack.get("role") == "table" for stack in stacks)
    for cell in page.cells:
        is_named = bool(cell.get("data-label")) and cell.get("role") == "cell"
        assert is_named or cell.get("class") in ("wide", "said"), cell
    # What is not a card has two narrow columns.
    assert text.count("<table>") == text.count("as a table</summary>")


def test_no_long_word_widens_the_page() -> None:
    style = files("batchgen.report").joinpath("report.css").read_text("utf-8")

    [body] = re.findall(r"^body \{(.*?)\}", style, re.DOTALL | re.MULTILINE)
    assert "overflow-wrap: anywhere" in body
    assert not re.search(r"\.reject \.scroll|\.command \{[^}]*nowrap", style)


def words_of(page: Page) -> Sequence[tuple[str | None, list[int] | None]]:
    return list(zip(page.columns["message"], page.columns["quote"], strict=True))


def test_only_the_providers_words_stand_in_quotation_marks(tmp_path: Path) -> None:
    message = (
        "no such model, or wrong base URL: m-1 \N{GRINNING FACE}; kept as kept/1.json"
    )
    own = "download from cdn.example: status 404"
    rows = [
        Row(id="a", message=message, error="model_gone"),
        Row(id="b", message=own, error="link_lost"),
        Row(id="c", message="We do not draw that.", error="refused"),
    ]

    with made(tmp_path, rows) as folder:
        page = Page.of(folder)
        text = (tmp_path / PAGE).read_text("utf-8")

    quotes = re.findall(r'<q dir="auto">(.*?)</q>', text)
    # Once where the rows' causes stand, once where those of all purchases do.
    theirs = ["We do not draw that.", "m-1 \N{GRINNING FACE}"]
    assert sorted(quotes) == sorted(2 * theirs)
    assert own in page.texts["text"]
    assert "in the provider's words" not in text
    # A script counts the face as two.
    assert words_of(page) == [
        (message, [34, 40]),
        (own, None),
        (rows[2].message, [0, 20]),
    ]
