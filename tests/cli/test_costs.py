"""`costs` tells what tables cost, to people and to scripts, to the nano-dollar."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batchgen.cli import main
from batchgen.model import Status
from tests.cli.command import Ended, Shop, digest, money, table
from tests.output.test_costs import table_of
from tests.output.test_table import DONE, PENDING

PAID = replace(
    DONE,
    cost_usd=Decimal("0.105284211"),
    estimated_usd=Decimal("0.1"),
    at_risk_usd=Decimal(0),
    at_risk_attempts=0,
)
LOST = replace(PAID, status=Status.FAILED, files=(), cost_usd=Decimal("0.0925"))
HELD = replace(LOST, status=Status.HELD, cost_usd=Decimal(0), at_risk_attempts=1)
RISKY = replace(HELD, at_risk_usd=Decimal("0.0925"))
UNKNOWN = replace(PAID, cost_usd=None)
Costs = Callable[..., Ended]

ROWS = [PAID, PAID, LOST, RISKY, UNKNOWN, PENDING]
BRANDS = ["Bauhaus", "Bauhaus", "Bauhaus", "Café\n[red]", None, None]

SHOWN = """\
brand      rows unknown images         cost per image wasted at risk vs estimate
Bauhaus       3       0      4 $0.303068422 $0.075767  30.5%   $0.00       +1.0%
Café [red]    1       0      0 $0.000000000         -      - $0.0925           -
-             2       1      2      unknown         -      -   $0.00           -
total: 6 rows, 6 images, cost $0.303068422, $0.075767 an image
the cost of 1 row is unknown: no amount here holds it
wasted on rows that did not succeed: $0.0925 (30.5%)
up to $0.0925 more may have been charged: 1 request has no final answer yet
estimated $0.30 for rows that cost $0.303068422 (+1.0%)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table_of(tmp_path / "results.parquet", ROWS, pl.DataFrame({"brand": BRANDS}))
    return tmp_path


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Costs:
    """Call the command here: of a process each, most of the time would be its start."""

    def call(folder: Path, *words: str) -> Ended:
        monkeypatch.chdir(folder)
        monkeypatch.setattr("sys.argv", ["batchgen", "costs", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, *capsys.readouterr())

    return call


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def test_people_get_a_table_of_80_columns_and_the_total_in_words(
    folder: Path, costs: Costs
) -> None:
    ended = costs(folder, ".", "--by", "brand")

    assert (ended.code, ended.stdout) == (0, SHOWN)
    assert max(map(len, SHOWN.splitlines())) <= 80
    total = [*SHOWN.splitlines(keepends=True)[4:]]
    assert costs(folder, "results.parquet").stdout == "".join(total)


def test_every_format_holds_the_same_amounts(folder: Path, costs: Costs) -> None:
    by = ("results.parquet", "--by", "status,brand", "--by", "status")
    text = exact(costs(folder, *by, "--format", "json").stdout)
    lines = [*csv.DictReader(costs(folder, *by, "--format", "csv").stdout.splitlines())]
    written = costs(folder, *by, "-o", "costs.parquet")
    frame = pl.read_parquet(folder / "costs.parquet")

    assert written.stdout.endswith("written: costs.parquet\n")
    assert text["groups"] == frame.to_dicts()
    assert [set(group) for group in text["groups"]] == [
        {"status", "brand", *text["total"]}
    ] * 5
    for name in ("cost_usd", "wasted_usd", "at_risk_usd", "actual_usd"):
        cells = [
            None if to_dict[name] is None else Decimal(to_dict[name])
            for to_dict in frame.to_dicts()
        ]
        assert [Decimal(line[name]) if line[name] else None for line in lines] == cells
        assert sum(filter(None, cells)) == text["total"][name]


@pytest.mark.parametrize("name", ["costs.csv", "costs.json", "costs.txt"])
def test_a_file_gets_what_stdout_would_have(
    name: str, folder: Path, costs: Costs
) -> None:
    (folder / name).write_text("the one of yesterday")
    kind = {"txt": "table"}.get(name[-3:], name.partition(".")[2])

    written = costs(folder, ".", "--by", "brand", "--output", name)

    assert written.stdout.splitlines()[-1] == f"written: {name}"
    printed = costs(folder, ".", "--by", "brand", "--format", kind)
    assert (folder / name).read_text("utf-8") == printed.stdout
    assert not list(folder.glob("*.partial"))


def test_what_does_not_fit_a_page_is_one_line_that_adds_up(
    tmp_path: Path, costs: Costs
) -> None:
    rows = [replace(PAID, row=at, id=f"{at:03}") for at in range(130)]
    table_of(tmp_path / "results.parquet", rows)

    lines = costs(tmp_path, ".", "--by", "id,status").stdout.splitlines()

    assert len(lines) == 1 + 100 + 1 + 2
    assert lines[1].split() == ["000", "succeeded", "1", "2", *lines[1].split()[4:]]
    assert lines[101].startswith("(30 others)")
    assert lines[101].split()[2:5] == ["30", "60", "$3.158526330"]


def test_a_run_costs_what_its_table_says_and_a_shared_image_counts_once(
    shop: Shop, costs: Costs
) -> None:
    words = "id,prompt,brand\na,a lamp,x\nb,a lamp,y\nc,a cup,x\nd,,y\n"
    shop.write("m.csv", words)
    run = shop.run("m.csv", "--dedupe", "--yes")
    assert run.code == 3, run.stderr

    document = exact(
        costs(shop.folder, "out/m", "--by", "brand", "--format=json").stdout
    )

    rows = table(shop.folder / "out/m")
    brands = {group.pop("brand"): group for group in document["groups"]}
    assert {
        brand: (entry["rows"], entry["images"]) for brand, entry in brands.items()
    } == {
        "x": (2, 2),
        "y": (2, 0),
    }
    assert brands["x"]["cost_usd"] == document["total"]["cost_usd"] > 0
    assert document["total"]["cost_usd"] == money(rows, "cost_usd")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(
            [".", "--by", "Brnad"],
            2,
            "--by: no column `Brnad`: did you mean `brand`? (there are row, id, status",
            id="column-that-no-table-has",
        ),
        pytest.param([".", "--by", "files"], 2, "--by: no column `files`", id="a-list"),
        pytest.param([".", "--by", "a\nb"], 2, "--by: quote a name", id="line-break"),
        pytest.param(
            ["result.parquet"],
            2,
            "no such file: result.parquet: did you mean results.parquet?",
            id="missing",
        ),
        pytest.param(["no"], 1, "no: no results.parquet in it", id="no-run-folder"),
        pytest.param(
            [".", "torn.parquet"], 1, "torn.parquet: not a whole Parquet", id="torn"
        ),
        pytest.param(
            ["other.parquet"], 1, "other.parquet: no result table", id="other-table"
        ),
        pytest.param(
            [".", "results.parquet"], 2, "results.parquet is named twice", id="twice"
        ),
        pytest.param(
            [".", "-o", "results.parquet"],
            2,
            "results.parquet is a TABLE itself",
            id="over-itself",
        ),
        pytest.param(
            [".", "--format", "parquet"], 2, "Parquet is nothing to read", id="binary"
        ),
        pytest.param(
            [".", "-o", "no/such/costs.csv"],
            1,
            "cannot write no/such/costs.csv: No such file or directory",
            id="nowhere",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    words: list[str], code: int, message: str, folder: Path, costs: Costs
) -> None:
    (folder / "no").mkdir()
    (folder / "torn.parquet").write_bytes(
        (folder / "results.parquet").read_bytes()[:-9]
    )
    pl.DataFrame({"prompt": ["a lamp"]}).write_parquet(folder / "other.parquet")
    before = digest(folder / "results.parquet")

    ended = costs(folder, *words)

    assert (ended.code, ended.stdout) == (code, "")
    assert ended.message.startswith(message)
    assert digest(folder / "results.parquet") == before


def test_names_of_all_scripts_stand_there_as_they_are(
    tmp_path: Path, costs: Costs
) -> None:
    names = ["با\u200cنیم", "👩\u200d👧", "椅子", "Stühle"]
    rows = [replace(PAID, row=at, id=name) for at, name in enumerate(names)]
    table_of(tmp_path / "results.parquet", rows)

    lines = costs(tmp_path, ".", "--by", "id").stdout.splitlines()

    assert sorted(line.split()[0] for line in lines[1:5]) == sorted(names)
