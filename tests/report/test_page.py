"""The page of a run says what the table says, and nothing in it is ever executed."""

from __future__ import annotations

import base64
import hashlib
import io
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from batchgen.model import dollars
from batchgen.report.contents import read_report
from batchgen.storage.outputs import write_outputs
from tests.report.runs import Page, Row, made, png, read

EVIL = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]> & \" ' \u2028 {{ 7 * 7 }} 青",
]


def test_the_sums_are_those_of_the_table(tmp_path: Path) -> None:
    rows = [
        Row(id="a", picture=png("red"), cost=92_500_001),
        Row(id="b", picture=png("blue"), cost=1_000_000_007),
        Row(id="c"),
    ]

    with made(tmp_path, rows) as folder:
        write_outputs(folder.ledger, folder.archive, folder.path)
        page = Page.of(folder)

    table = pl.read_parquet(tmp_path / "results.parquet")
    spent = sum(table["cost_usd"], Decimal(0))
    assert page.value_of("Spent") == dollars(spent) == "$1.092500008"
    assert page.value_of("Rows") == str(table.height)
    costs = [
        None if nano is None else Decimal(nano).scaleb(-9)
        for nano in page.columns["cost"]
    ]
    assert costs == table["cost_usd"].to_list()
    for name in ("row", "id", "status", "prompt", "provider", "error", "message"):
        assert page.columns[name] == table[name].to_list()


def test_a_price_that_nobody_knows_is_not_shown_as_nothing(tmp_path: Path) -> None:
    with made(tmp_path, [Row(id="a", picture=png("red"), cost=None)]) as folder:
        page = Page.of(folder)

    assert page.columns["cost"] == [None]
    assert page.value_of("Per image") == "unknown"
    assert "and 1 purchase without a known price" in page.texts["text"]


def test_what_a_reply_left_open_is_told_without_an_unknown_outcome(
    tmp_path: Path,
) -> None:
    row = Row(id="a", picture=png("red"), cost=20_000_000, uncertain=60_000_000)

    with made(tmp_path, [row]) as folder:
        page = Page.of(folder)

    assert page.value_of("At risk") == "$0.06"
    assert "for images whose replies state no charge" in page.texts["text"]
    assert not any("outcome" in text for text in page.texts["text"])


@pytest.mark.parametrize("text", EVIL)
def test_words_of_others_stay_words(text: str, tmp_path: Path) -> None:
    own = {"brand": text}
    plain = [
        Row(id="a", message="never", own={"brand": "b"}),
        Row(id="b", own={"brand": "c"}),
    ]
    evil = [Row(id=text, prompt=text, message=text, own=own), plain[1]]
    with made(tmp_path / "plain", plain) as folder:
        harmless = Page.of(folder)
    with made(tmp_path / "evil", evil) as folder:
        page = Page.of(folder)

    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert page.executed == harmless.executed
    assert page.columns["prompt"][0] == text
    assert page.columns["message"][0] == text
    assert text.strip() in page.texts["text"]


def test_the_page_asks_nobody_and_runs_only_its_own_script(tmp_path: Path) -> None:
    with made(tmp_path, [Row(id="a", picture=png("red"))]) as folder:
        page = Page.of(folder)

    policy = next(
        str(attributes["content"])
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (page.texts["style"][0], *page.executed)
    ]
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; "
        f"script-src 'sha256-{hashes[1]}'; base-uri 'none'; form-action 'none'"
    )
    assert len(page.executed) == 1
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {
        name for name in names if name.startswith("on") or name in ("src", "style")
    }
    links = [attributes["href"] for _, attributes in page.tags if "href" in attributes]
    assert links == ["#rows"]


def test_thumbnails_are_made_once_and_rows_that_left_have_none(tmp_path: Path) -> None:
    rows = [
        Row(id="a", picture=png("red")),
        Row(id="b", picture=png("blue")),
        Row(id="c", picture=b"\x89PNG no pixel can be read of this"),
    ]

    with made(tmp_path, rows) as folder:
        first = Page.of(folder)
        (tmp_path / "images.zip").rename(tmp_path / "elsewhere.zip")
        read(folder.ledger, rows[1:])
        second = Page.of(folder)

    red, blue, broken = [images[0][4] for images in first.columns["images"]]
    assert first.thumbnails[broken] is None
    assert second.thumbnails == {blue: first.thumbnails[blue], broken: None}
    small = first.thumbnails[red]
    assert small is not None
    with Image.open(io.BytesIO(base64.b64decode(small))) as image:
        assert (image.format, image.size) == ("WEBP", (160, 100))


def test_only_thumbnails_are_taken_over_from_an_edited_page(tmp_path: Path) -> None:
    with made(tmp_path, [Row(id="a", picture=png("red"))]) as folder:
        first = Page.of(folder)
        path = tmp_path / "report.html"
        [(name, small)] = first.thumbnails.items()
        evil = path.read_text("utf-8").replace(str(small), "x onerror=alert(1)")
        path.write_text(evil, "utf-8")
        second = Page.of(folder)

    assert second.thumbnails == {name: small}


def test_a_page_holds_only_so_many_rows_but_adds_up_all(tmp_path: Path) -> None:
    rows = [Row(id=str(number), picture=png("red")) for number in range(3)]

    with made(tmp_path, rows) as folder:
        report = read_report(folder.ledger, listed_rows=2)

    assert [row.row for row in report.rows] == [0, 1]
    assert report.overall.rows == report.overall.succeeded == 3
    assert report.timeline is not None
    assert report.timeline.spent[-1] == report.totals.spent


def test_a_column_of_few_values_is_a_group_and_an_id_is_none(tmp_path: Path) -> None:
    brands = ["north", "south", "north"]
    own = [{"brand": brand, "sku": f"s{n}"} for n, brand in enumerate(brands)]
    rows = [
        Row(id=str(n), own=columns, picture=png("red")) for n, columns in enumerate(own)
    ]

    with made(tmp_path, rows) as folder:
        groups = dict(read_report(folder.ledger).groups)

    assert set(groups) == {"provider", "brand"}
    assert [(name, group.rows) for name, group in groups["brand"]] == [
        ("north", 2),
        ("south", 1),
    ]
    assert sum(group.cost for _, group in groups["brand"]) == Decimal("0.2775")


def test_a_run_that_bought_nothing_has_a_page(tmp_path: Path) -> None:
    with made(tmp_path, []) as folder:
        page = Page.of(folder)

    assert (page.value_of("Rows"), page.value_of("Per image")) == ("0", "none")
    assert "Nothing was sent yet." in page.texts["text"]


def test_the_page_says_why_rows_did_not_succeed_and_what_helps(tmp_path: Path) -> None:
    rows = [
        Row(id="a", message="Not allowed."),
        Row(id="b", picture=png("red")),
        Row(id="c", message="Not allowed."),
    ]

    with made(tmp_path, rows) as folder:
        page = Page.of(folder)

    text = " ".join(" ".join(page.texts["text"]).split())
    text = text[text.index("Why rows did not succeed") :][:300]
    assert (
        "2 refused: acme Not allowed. (rows 0, 2). Trying again will not help: the "
        "same prompt is refused again; change it."
    ) in text
