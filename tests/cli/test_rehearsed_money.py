"""A rehearsal's money is marked wherever it is shown, and added to nothing real."""

from __future__ import annotations

import csv
import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from batchgen.model import dollars
from tests.cli.command import KEY, Ended, Shop, batchgen, money, table
from tests.output.test_costs import table_of
from tests.output.test_table import DONE

JOB = """\
manifest = "m.csv"
provider = "gemini"
max_cost = 5
[budget]
per_day = 2
[budget.by]
brand = 1
"""
RUN = "out/job-rehearsal"
NO_MONEY = "no money was spent"
REAL = ("the real run",)
"""Lines of what the real run would cost; they say so."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a rehearsal: bought, edited, bought again, one refused."""
    folder = tmp_path_factory.mktemp("rehearsed")
    (folder / "job.toml").write_text(JOB)
    (folder / "m.csv").write_text("id,prompt,brand\na,a lamp,x\nb,a cup,y\nc,,y\n")
    first = batchgen("run", "job.toml", "--rehearse", at=folder)
    assert first.code == 3
    (folder / "m.csv").write_text("id,prompt,brand\na,a tall lamp,x\nb,a cup,y\nc,,y\n")
    second = batchgen("run", "job.toml", "--rehearse", "--rebuy", at=folder)
    (folder / "run.txt").write_text(
        first.stdout + first.stderr + second.stdout + second.stderr
    )
    return folder


def unmarked(text: str) -> list[str]:
    """Return lines with an amount that is neither pretend, nor a limit, nor real."""
    bare = re.compile(
        r"(?<!pretend )(?<!pretend cost )(?<!pretend cost: )(?<!or removed: )(?<! of )"
        r"\$\d"
    )
    return [
        line
        for line in text.splitlines()
        if bare.search(line) and not line.startswith(REAL)
    ]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("status", RUN), id="status"),
        pytest.param(("report", RUN), id="report"),
        pytest.param(
            ("reconcile", RUN, "--bill", f"{RUN}/sandbox/bill-gemini.csv"),
            id="reconcile",
        ),
        pytest.param(("reconcile", RUN, "--unsettle"), id="reconcile-unsettle"),
        pytest.param(("costs", RUN), id="costs"),
        pytest.param(("costs", RUN, "-o", "costs.csv"), id="costs-file"),
        pytest.param(("try", "a cup", "--provider", "gemini", "--rehearse"), id="try"),
    ],
)
def test_each_command_says_that_the_money_is_pretend(
    words: tuple[str, ...], folder: Path
) -> None:
    ended = batchgen(*words, at=folder)

    text = ended.stdout + ended.stderr
    assert ended.code == 0, text
    assert NO_MONEY in text
    assert "pretend" in text
    assert unmarked(text) == []


def test_a_run_says_so_while_it_works_and_at_its_end(folder: Path) -> None:
    text = (folder / "run.txt").read_text()

    assert unmarked(text) == []
    assert re.search(r"(running|writing): .* pretend \$0\.0\d", text)
    assert re.search(
        r"^pretend cost \$\d.* \(rehearsal: no money was spent\)$", text, re.M
    )
    assert re.search(
        r"^pretend cost of rows that you changed or removed: \$", text, re.M
    )
    assert re.search(r"^the sandbox's bill: pretend \$", text, re.M)


def test_a_budget_stop_and_the_price_of_a_retry_are_marked(shop: Shop) -> None:
    shop.catalogue(4)
    words = ("--provider", "gemini", "--rehearse", "--quiet", "--concurrency", "1")
    stopped = batchgen("run", "m.csv", *words, "--max-cost", "0.1", at=shop.folder)
    batchgen("retry", "m.csv", "--status", "failed", at=shop.folder)
    ids = shop.write("ids.txt", "r0\n")
    words = ("retry", "m.csv", "--status", "succeeded", "--ids", str(ids))
    retried = batchgen(*words, at=shop.folder)

    assert stopped.code == 4
    assert "the budget is reached: pretend $" in stopped.stderr
    assert unmarked(stopped.stdout + stopped.stderr) == []
    assert re.search(
        r"trying them may cost pretend \$\S+ \(rehearsal: no money was spent\)",
        retried.stdout,
    )


def test_the_price_of_buying_an_edited_row_again_is_marked(tmp_path: Path) -> None:
    source = tmp_path / "r.csv"
    source.write_text("id,prompt\na,a lamp\n")
    rehearse(tmp_path, "--provider", "gemini")
    source.write_text("id,prompt\na,a tall lamp\n")
    words = ("run", "r.csv", "--rehearse", "--quiet", "--provider", "gemini")

    refused = batchgen(*words, at=tmp_path)

    assert refused.code == 2
    assert "costs pretend $0.0336: add --rebuy" in refused.stderr
    assert unmarked(refused.stderr) == []


def test_the_page_has_a_banner_and_no_label_of_real_money(folder: Path) -> None:
    assert batchgen("report", RUN, "--html", at=folder).code == 0

    page = (folder / RUN / "report.html").read_text("utf-8")

    assert "<strong>Rehearsal: no money was spent.</strong>" in page
    assert "<dt>Pretend cost</dt>" in page
    assert "<dt>Spent</dt>" not in page
    assert "Pretend cost over time" in page
    assert '"rehearsed":true' in page


# -- tables and costs


def test_tables_carry_their_mark_wherever_they_go(folder: Path, shop: Shop) -> None:
    shop.catalogue(1)
    assert shop.run("m.csv", "--yes").code == 0

    for name in ("results.parquet", "attempts.parquet"):
        rehearsed = pq.read_schema(folder / RUN / name).metadata
        bought = pq.read_schema(shop.folder / "out/m" / name).metadata
        assert rehearsed[b"batchgen.realm"] == b"rehearsal"
        assert bought[b"batchgen.realm"] == b"loopback"
        assert rehearsed[b"batchgen.version"] == bought[b"batchgen.version"]


def test_costs_know_a_rehearsal_by_the_table_alone(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / RUN / "results.parquet", tmp_path / "moved.parquet")

    output = batchgen("costs", "moved.parquet", "--by", "brand", at=tmp_path).stdout
    lines = batchgen("costs", "moved.parquet", "--format", "csv", at=tmp_path).stdout
    read = exact(batchgen("costs", "moved.parquet", "--format=json", at=tmp_path))
    batchgen("costs", "moved.parquet", "-o", "costs.parquet", at=tmp_path)

    assert "pretend cost" in output.splitlines()[0]
    assert NO_MONEY in output
    assert [line["rehearsed"] for line in csv.DictReader(lines.splitlines())] == [
        "true"
    ]
    assert read["rehearsed"] is read["total"]["rehearsed"] is True
    written = pl.read_parquet(tmp_path / "costs.parquet")
    assert written["rehearsed"].to_list() == [True]


def test_costs_know_an_older_table_by_the_ledger_beside_it(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / RUN / "run.db", tmp_path / "run.db")
    rows = pq.read_table(folder / RUN / "results.parquet")
    pq.write_table(rows.replace_schema_metadata(), tmp_path / "results.parquet")

    output = batchgen("costs", ".", at=tmp_path).stdout

    assert NO_MONEY in output


def exact(ended: Ended) -> Any:
    assert ended.code == 0, ended.stderr
    return json.loads(ended.stdout, parse_float=Decimal)


@pytest.fixture
def both(folder: Path, tmp_path: Path) -> Path:
    """Return a folder with a rehearsal's table and a real one."""
    shutil.copy(folder / RUN / "results.parquet", tmp_path / "rehearsed.parquet")
    table_of(tmp_path / "real.parquet", [DONE, DONE])
    return tmp_path


def test_costs_refuse_to_add_pretend_money_to_real_money(both: Path) -> None:
    ended = batchgen("costs", "real.parquet", "rehearsed.parquet", at=both)

    assert (ended.code, ended.stdout) == (2, "")
    for words in ("rehearsed.parquet is", "real.parquet is", "--mix-rehearsals"):
        assert words in ended.message


def test_a_mix_that_is_asked_for_has_two_totals_and_no_common_group(
    both: Path,
) -> None:
    tables = ("rehearsed.parquet", "real.parquet", "--mix-rehearsals")
    by = (*tables, "--by", "status")
    pretend = money(pl.read_parquet(both / "rehearsed.parquet"), "cost_usd")
    real = money(pl.read_parquet(both / "real.parquet"), "cost_usd")

    read = exact(batchgen("costs", *by, "--format", "json", at=both))
    output = batchgen("costs", *tables, at=both).stdout.splitlines()
    lines = batchgen("costs", *by, "--format", "csv", at=both).stdout.splitlines()

    assert (read["rehearsed"], read["total"]["cost_usd"]) == (False, real)
    assert read["rehearsal_total"]["cost_usd"] == pretend
    groups = [(group["status"], group["rehearsed"]) for group in read["groups"]]
    assert groups[0] == ("succeeded", False)
    assert ("succeeded", True) in groups
    by_kind = {False: real, True: pretend}
    for rehearsed, amount in by_kind.items():
        some = [group for group in read["groups"] if group["rehearsed"] is rehearsed]
        assert sum(entry["cost_usd"] for entry in some) == amount
    totals = [line for line in output if line.startswith("total: ")]
    assert f" cost {dollars(real)}," in totals[0]
    assert f"pretend cost {dollars(pretend)} ({'rehearsal: ' + NO_MONEY})" in totals[1]
    assert len({line.rpartition(",")[2] for line in lines[1:]}) == 2


def test_tables_of_rehearsals_alone_are_added_up_and_marked(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("a.parquet", "b.parquet"):
        shutil.copy(folder / RUN / "results.parquet", tmp_path / name)

    ended = batchgen("costs", "a.parquet", "b.parquet", at=tmp_path)

    pretend = money(pl.read_parquet(tmp_path / "a.parquet"), "cost_usd")
    assert ended.code == 0
    assert f"pretend cost {dollars(2 * pretend)} (" in ended.stdout


# -- check


def test_what_was_rehearsed_is_neither_bought_nor_used_up(folder: Path) -> None:
    words = ("check", "job.toml", "--out", RUN)

    output = batchgen(*words, at=folder).stdout
    document = json.loads(batchgen(*words, "--json", at=folder).stdout)

    assert f"{RUN} holds a rehearsal run, whose money must not mix" in output
    assert "rehearsed there: 2 images; pretend cost $" in output
    assert "bought already" not in output
    assert document["rows"]["pending"] == document["to_buy"]["rows"] == 2
    assert document["bought"]["images"] == 0
    assert {budget["used_usd"] for budget in document["budgets"]} == {0}
    assert (document["rehearsal"]["rehearsed"], document["rehearsal"]["images"]) == (
        True,
        2,
    )


# -- what would stop the real run


def rehearse(at: Path, *words: str, key: str | None = None) -> Ended:
    source = at / "r.csv"
    if not source.exists():
        source.write_text("id,prompt\na,a lamp\n")
    ended = batchgen("run", "r.csv", "--rehearse", "--quiet", *words, at=at, key=key)
    assert ended.code == 0, ended.stderr
    return ended


RELAY = ("--provider", "gemini", "--base-url", "https://relay.example/v1beta")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ("--provider", "gccai"),
            "the real run would stop: gccai has no address that anybody documents",
            id="no-address",
        ),
        pytest.param(
            ("--provider", "gemini", "--base-url", "http://8.8.8.8/v1"),
            "the real run would stop: base URL 'http://8.8.8.8/v1': plain http",
            id="plain-http",
        ),
        pytest.param(
            RELAY,
            "in the real run gemini is asked at https://relay.example/v1beta, where",
            id="foreign-address",
        ),
        pytest.param(
            ("--provider", "apiai", "--model", "other"),
            "the real run may stop: batchgen does not know the model 'other' at apiai",
            id="unknown-model",
        ),
        pytest.param(
            ("--provider", "gemini", "--out", "same"),
            "same holds this rehearsal, and their money must not mix",
            id="same-folder",
        ),
    ],
)
def test_what_is_known_to_stop_the_real_run_is_said_before_and_after(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    ended = rehearse(tmp_path, *words)

    assert message in ended.stderr, "before"
    assert message in ended.stdout, "after"


def test_key_and_consent_are_named_once_behind_the_rehearsal(tmp_path: Path) -> None:
    ended = rehearse(tmp_path, "--provider", "gemini")

    for needed in (
        "the real run would stop: it needs GEMINI_API_KEY, which is not set",
        "the real run needs your consent to spend: --max-cost USD",
    ):
        assert (ended.stdout + ended.stderr).count(needed) == 1
        assert needed in ended.stdout


def test_the_rows_real_prices_are_held_against_the_budget(tmp_path: Path) -> None:
    unpriced = rehearse(tmp_path, *RELAY, "--max-cost", "1")
    price = ("--price", "3", "--max-cost", "1")
    dear = rehearse(tmp_path, "--provider", "gemini", *price)
    fits = rehearse(tmp_path, "--provider", "gemini", "--max-cost", "1", key=KEY)

    assert (
        "the real run would stop: row 0: no price is known for gemini at 1K"
        in unpriced.stdout
    )
    assert (
        "the real run would stop at the budget: its images cost about $3.00, retries "
        "not counted, and --max-cost is $1.00"
    ) in dear.stdout
    assert "would stop" not in fits.stdout + fits.stderr
    assert "the real run needs GEMINI_API_KEY, which is set" in fits.stdout
    assert "the real run costs about $0.0336 in real money" in fits.stdout
    assert KEY not in fits.stdout + fits.stderr


@pytest.mark.parametrize("provider", ["gemini", "foxapi"], ids=["bytes", "links"])
def test_reference_urls_are_said_not_to_be_tried(provider: str, tmp_path: Path) -> None:
    url = "https://pictures.example/a.png"
    (tmp_path / "r.csv").write_text(f"id,prompt,references\na,a lamp,{url}\n")

    ended = rehearse(tmp_path, "--provider", provider)

    words = "reference URLs are not fetched in a rehearsal"
    assert words in ended.stderr
    assert words in ended.stdout


def test_a_folder_of_this_machine_is_real_money(shop: Shop) -> None:
    shop.catalogue(1)

    ended = shop.run("m.csv", "--yes")

    spent = money(table(shop.folder / "out/m"), "cost_usd")
    assert f"spent {dollars(spent)}\n" in ended.stdout
    assert "pretend" not in ended.stdout + ended.stderr
