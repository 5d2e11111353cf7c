"""Exports of real software go through `check` and a rehearsal: nothing by accident."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from batchgen.job import load_job
from batchgen.manifest.manifest import Manifest
from tests.cli.command import Ended, batchgen, ledger_dump, table

SAMPLES = Path(__file__).parents[2] / "samples"
TABLES = SAMPLES / "tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A table, how it is run, and what must come of its rows.

    Attributes:
        source: A job file, or a table with options.
        bought: Positions of the rows that are bought.
        shared: Of those that point to another row's image.
        invalid: Of those that cannot run, and a part of what is said of each.
    """

    source: str
    options: tuple[str, ...] = ()
    bought: Iterable[int]
    shared: Iterable[int] = ()
    invalid: dict[int, str]


CASES = {
    # The first line of each product; the others have only a variant or a picture.
    "shopify": Case(
        source="shopify.toml",
        bought=(0, 5, 8, 12, 16, 18, 20, 23),
        invalid={
            **dict.fromkeys((*range(1, 5), 6, 7, *range(9, 12), *range(13, 16)), ""),
            **dict.fromkeys((17, 19, 21, 22), ""),
            24: "#N/A",
            25: "Type",  # it has a title, and no type
        },
    ),
    "woocommerce": Case(
        source="woocommerce.toml", bought=range(19), invalid={19: "Name", 20: "Images"}
    ),
    "etsy": Case(
        source="etsy.toml",
        bought=range(8),
        shared=(8,),  # the lamp is listed twice
        invalid={9: "", 10: "NULL", 11: "nan", 12: ""},
    ),
    "merchant": Case(
        source="merchant.toml",
        bought=(*range(7), *range(9, 15)),
        shared=(7, 8),  # sizes of one shoe, on the same two pictures
        invalid={15: "earlier row", 16: "title", 17: "#REF!", 18: "the id is empty"},
    ),
    "german": Case(
        source="german.toml",
        bought=(*range(16), 21),
        invalid={
            16: "earlier row",
            17: "#N/A",
            18: "#BEZUG!",
            19: "Bezeichnung",
            20: "no such file",
        },
    ),
    # Its first line is `sep=;`. Without references the row whose file is missing runs.
    "german-by-flags": Case(
        source="german_sep.csv",
        options=(
            *("--provider", "gemini", "--prompt", "Produktfoto: {{ Bezeichnung }}"),
            *("--id", "Artikelnummer", "--empty", "skip", "--dedupe"),
        ),
        bought=(0, 3, 5, 9, 10, 12, 13, 14, 15, 20, 21),
        shared=(1, 2, 4, 6, 7, 8, 11),  # sizes and colours, which the prompt leaves out
        invalid={
            16: "earlier row",
            17: "#N/A",
            18: "#BEZUG!",
            19: "Bezeichnung",
        },
    ),
}


def run(case: Case, at: Path) -> Ended:
    source, options = TABLES / case.source, case.options
    return batchgen("run", source, *options, "--rehearse", "--out", "out", at=at)


@pytest.fixture(params=[*CASES.values()], ids=[*CASES], scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    value: Case = request.param
    return value


@pytest.fixture(scope="module")
def rehearsed(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where a rehearsal of the table has ended."""
    folder = tmp_path_factory.mktemp("rehearsed")
    ended = run(case, folder)
    assert ended.code == 3, ended.stdout + ended.stderr
    return folder


def positions(rows: pl.DataFrame, **values: object) -> list[int]:
    return rows.filter(**values)["row"].to_list()


def test_a_rehearsal_buys_the_rows_that_are_meant_and_no_other(
    case: Case, rehearsed: Path
) -> None:
    rows = table(rehearsed / "out")

    shared = [*case.shared]
    assert positions(rows, status="succeeded") == sorted([*case.bought, *shared])
    assert positions(rows.filter(pl.col("attempts") > 0)) == sorted(case.bought)
    invalid = rows.filter(status="invalid")
    assert dict(zip(invalid["row"], invalid["attempts"], strict=True)) == dict.fromkeys(
        sorted(case.invalid), 0
    )
    for row, words in case.invalid.items():
        assert words in invalid.filter(row=row)["message"].item()


def test_a_check_says_which_rows_cannot_run_and_sends_nothing(
    case: Case, tmp_path: Path
) -> None:
    source, options = TABLES / case.source, case.options

    ended = batchgen("check", source, *options, "--json", at=tmp_path)

    assert ended.code == 3, ended.stderr
    document = json.loads(ended.stdout)
    bought, shared = [*case.bought], [*case.shared]
    assert document["rows"]["invalid"] == len(case.invalid)
    assert document["rows"]["pending"] == len(bought) + len(shared)
    assert {problem["row"] for problem in document["problems"]} == set(case.invalid)
    assert not (tmp_path / "out").exists()


def test_every_prompt_that_was_sent_is_about_a_thing(rehearsed: Path) -> None:
    bought = table(rehearsed / "out").filter(pl.col("attempts") > 0)

    assert bought.height
    for prompt in bought["prompt"]:
        about = prompt.removeprefix("Studio photo of ").removeprefix(
            "Product photo of "
        )
        about = about.removeprefix("Produktfoto: ")
        assert about[0].isupper(), prompt  # each title begins so
        assert not any(name in prompt for name in ("#", "nan,", "NULL", "{", "None"))


def test_a_second_run_buys_nothing(case: Case, rehearsed: Path) -> None:
    before = ledger_dump(rehearsed / "out")

    again = run(case, rehearsed)

    assert again.code == 3, again.stderr
    assert ledger_dump(rehearsed / "out") == before


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        pytest.param(
            "shopify.csv", "Studio photo of {{ Title }}", id="no-value-at-all"
        ),
        pytest.param(
            "shopify.csv",
            'Photo of {{ Title }} in {{ row["Option1 Value"] }}',
            id="some-of-the-values",
        ),
        pytest.param("etsy.csv", "{{ TITLE }} on a table", id="words-for-no-value"),
    ],
)
def test_a_template_over_cells_that_are_often_empty_buys_nothing_unasked(
    name: str, prompt: str, tmp_path: Path
) -> None:
    options = ("--provider", "gemini", "--prompt", prompt, "--rehearse", "--out", "out")

    ended = batchgen("run", TABLES / name, *options, at=tmp_path)

    assert ended.code == 2, ended.stdout + ended.stderr
    assert "skip" in ended.stderr
    assert "buy" in ended.stderr
    database = tmp_path / "out" / "run.db"
    assert not database.exists() or ledger_dump(database.parent) == []


def test_numbers_keep_their_zeros_and_umlauts_stay(tmp_path: Path) -> None:
    run(CASES["german"], tmp_path)

    rows = table(tmp_path / "out")
    assert rows["id"].to_list()[:2] == ["000417", "000418"]
    assert rows["id"][15] == "417"
    assert rows["prompt"][10] == (
        "Produktfoto: Tasche „Ferry“ für Überfahrten, Rost, weißer Hintergrund"
    )
    assert rows["Preis"][15] == "1.249,00"


@pytest.mark.parametrize(
    ("source", "column", "pictures"),
    [
        pytest.param("woocommerce.toml", "Images", (5, 1, 1, 0, 3), id="woocommerce"),
        # Without a blank behind the comma; the feed's first picture is not among them.
        pytest.param(
            "merchant.toml", "additional_image_link", (4, 4, 4, 2, 2), id="merchant"
        ),
    ],
)
def test_all_pictures_of_a_cell_are_references(
    source: str, column: str, pictures: tuple[int, ...]
) -> None:
    job = load_job(TABLES / source)
    job = replace(job, columns={**job.columns, "references": column})

    rows = [row for part in Manifest.open(job).slices() for row in part.rows]

    sent = [row.request.references for row in rows[:5] if row.request is not None]
    assert tuple(map(len, sent)) == pictures
    links = [reference for references in sent for reference in references]
    assert len({*links}) > 5
    assert all(link.startswith("https://cdn.example.com/files/") for link in links)
    assert not any("," in link for link in links)


def test_the_tables_are_what_their_script_makes(tmp_path: Path) -> None:
    script = SAMPLES / "make_tables.py"

    subprocess.run([sys.executable, script, tmp_path], check=True)

    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    there = {path.name: path.read_bytes() for path in TABLES.glob("*.csv")}
    assert made == there
    assert len(made) == 6


def cells(name: str, delimiter: str = ",") -> list[dict[str, str]]:
    with (TABLES / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter, strict=True))


def test_the_tables_hold_what_spoils_a_careless_reader() -> None:
    shopify, etsy = cells("shopify.csv"), cells("etsy.csv")
    german = (TABLES / "german.csv").read_bytes()
    pictures = [row["Images"] for row in cells("woocommerce.csv")]
    skus = [row["Variant SKU"] for row in shopify if row["Variant SKU"]]

    assert sum(not row["Title"] for row in shopify) > len(shopify) / 2
    assert len(set(skus)) < len(skus)
    assert any(
        "\n" in row["Body (HTML)"] and "<" in row["Body (HTML)"] for row in shopify
    )
    assert any(cell.count(", https://") > 1 for cell in pictures)
    assert all("\n" in row["DESCRIPTION"] for row in etsy)
    assert german.startswith(b"\xef\xbb\xbf")
    assert german.count(b"\r\n") > 20
    assert (TABLES / "german_sep.csv").read_bytes().startswith(b"\xef\xbb\xbfsep=;\r\n")
    assert all(row["price"].endswith(" EUR") for row in cells("merchant.csv"))
    hosts = ("https://cdn.example.com/", "https://shop.example.com/")
    text = "".join(path.read_text("utf-8") for path in TABLES.glob("*.csv"))
    assert text.count("://") == sum(text.count(host) for host in hosts)


@pytest.mark.parametrize(
    "path", sorted(TABLES.glob("*.toml")), ids=lambda entry: entry.stem
)
def test_each_job_file_states_what_is_done_with_empty_cells(path: Path) -> None:
    assert '\nempty = "skip"\n' in path.read_text("utf-8")
