"""`batchgen reconcile` as a user gives it, on a rehearsal and its sandbox's bill."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from batchgen.cli.reconcile import command
from batchgen.errors import LedgerLocked, SpecError, UsageError
from batchgen.runner.folder import open_folder
from tests.acceptance.batch import Batch

COLUMNS = "id=request_id,time=created_at,amount=cost"


@pytest.fixture
def bill(finished_batch: Batch) -> Path:
    return finished_batch.out / "sandbox" / "bill-aimlapi.csv"


def call(batch: Batch, *words: str | Path) -> Result:
    """Give the command without a process of its own."""
    return CliRunner().invoke(
        command, [str(batch.out), *map(str, words)], standalone_mode=False
    )


def renamed(bill: Path, more_on_first: Decimal) -> Path:
    """Return the bill as another provider would call its columns."""
    entries = list(csv.DictReader(bill.read_text().splitlines()))
    path = bill.with_name("usage.csv")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["created_at", "request_id", "model", "cost"])
        for number, entry in enumerate(entries):
            more = 0 if number else more_on_first
            writer.writerow(
                [entry["time"], entry["id"], "x", Decimal(entry["amount"]) + more]
            )
    return path


def test_a_rehearsal_is_its_bill_and_stays_untouched(
    finished_batch: Batch, bill: Path
) -> None:
    before = {
        path: path.stat().st_mtime_ns for path in finished_batch.out.glob("*.parquet")
    }

    ended = finished_batch.call("reconcile", "out", "--bill", str(bill))

    assert ended.code == 0, ended
    assert "the same on both sides: 10 purchases" in ended.stdout
    assert before == {
        path: path.stat().st_mtime_ns for path in finished_batch.out.glob("*.parquet")
    }


def test_the_bills_amounts_are_taken_when_the_user_says_so(
    finished_batch: Batch, bill: Path
) -> None:
    dearer = renamed(bill, Decimal("0.01"))
    words = ("--bill", dearer, "--columns", COLUMNS)

    ended = call(finished_batch, *words)
    unchanged = pl.read_parquet(finished_batch.table)
    settled = call(finished_batch, *words, "--settle")
    again = call(finished_batch, *words)

    assert ended.return_value == 3, ended.output
    assert "another amount on the bill: 1" in ended.output
    assert "nothing is changed; --settle takes the bill's amounts" in ended.output
    assert set(unchanged["cost_basis"]) == {"reported"}
    assert (settled.return_value, again.return_value) == (0, 0), settled.output
    assert "1 purchase settled" in settled.output
    [line_two] = [line for line in ended.output.splitlines() if "(line 2, " in line]
    assert "attempt " in line_two
    table = pl.read_parquet(finished_batch.table)
    assert sorted(table["cost_basis"]) == ["billed", *["reported"] * 9]
    lines = csv.DictReader(dearer.read_text().splitlines())
    total = sum(Decimal(line["cost"]) for line in lines)
    assert table["cost_usd"].sum() == total
    purchases = pl.read_parquet(finished_batch.out / "attempts.parquet")
    assert purchases["cost_usd"].sum() == total


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--columns", "sum=cost"], "'sum=cost'", id="columns"),
        pytest.param(["--usd-per-unit", "cheap"], "'cheap' is no amount", id="unit"),
        pytest.param(["--timezone", "Mars/Base"], "'Mars/Base'", id="timezone"),
        pytest.param(["--covers", "today"], "'today' is no period", id="covers"),
        pytest.param(
            ["--covers", "2026-11-21..2026-11-20"], "is no period", id="backwards"
        ),
        pytest.param(["--covers", "2026-11-21T10:00"], "is no period", id="moment"),
        pytest.param(["--provider", "foxapi"], "only from aimlapi", id="provider"),
    ],
)
def test_a_wrong_word_is_told_before_anything_is_read(
    words: list[str], says: str, finished_batch: Batch, bill: Path
) -> None:
    ended = call(finished_batch, "--bill", bill, *words)

    assert isinstance(ended.exception, UsageError)
    assert says in str(ended.exception)


def test_a_bill_may_cover_one_day(finished_batch: Batch, bill: Path) -> None:
    day = bill.read_text().splitlines()[1].split(",")[1][:10]

    ended = call(finished_batch, "--bill", bill, "--covers", day)

    assert ended.return_value == 0, ended.output


def test_a_file_with_other_columns_says_how_to_name_them(
    finished_batch: Batch, bill: Path
) -> None:
    ended = call(finished_batch, "--bill", renamed(bill, Decimal(0)))

    assert isinstance(ended.exception, SpecError)
    assert "--columns" in str(ended.exception)


def test_a_folder_on_which_a_run_works_is_left_alone(
    finished_batch: Batch, bill: Path
) -> None:
    with open_folder(finished_batch.out, None, None):
        ended = call(finished_batch, "--bill", bill, "--settle")

    assert isinstance(ended.exception, LedgerLocked)


# -- a wrong bill that was settled


def money_of(batch: Batch) -> list[tuple[object, ...]]:
    names = ("id", "status", "cost_usd", "cost_basis", "at_risk_usd", "files")
    return pl.read_parquet(batch.table).select(names).rows()


def test_a_wrong_bill_that_was_settled_is_taken_back(
    finished_batch: Batch, bill: Path
) -> None:
    before = money_of(finished_batch)
    wrong = renamed(bill, Decimal("9.99"))
    settled = call(finished_batch, "--bill", wrong, "--columns", COLUMNS, "--settle")
    assert settled.return_value == 0, settled.output
    assert money_of(finished_batch) != before

    taken_back = call(finished_batch, "--unsettle")
    again = call(finished_batch, "--unsettle")

    assert taken_back.return_value == 0, taken_back.output
    assert "taken back: 1 purchase costs again" in taken_back.output
    assert money_of(finished_batch) == before
    assert call(finished_batch, "--bill", bill).return_value == 0
    assert "no settlement of a bill can be taken back" in again.output


def test_the_right_bill_follows_in_the_same_command(
    finished_batch: Batch, bill: Path
) -> None:
    wrong = renamed(bill, Decimal("9.99"))
    call(finished_batch, "--bill", wrong, "--columns", COLUMNS, "--settle")
    right = renamed(bill, Decimal("0.01"))

    ended = call(
        finished_batch, "--unsettle", "--bill", right, "--columns", COLUMNS, "--settle"
    )

    assert ended.return_value == 0, ended.output
    lines = csv.DictReader(right.read_text().splitlines())
    total = sum(Decimal(line["cost"]) for line in lines)
    assert pl.read_parquet(finished_batch.table)["cost_usd"].sum() == total


def test_nothing_is_taken_back_when_the_bill_cannot_be_read(
    finished_batch: Batch, bill: Path
) -> None:
    wrong = renamed(bill, Decimal("9.99"))
    call(finished_batch, "--bill", wrong, "--columns", COLUMNS, "--settle")
    before = money_of(finished_batch)

    ended = call(
        finished_batch, "--unsettle", "--bill", wrong, "--settle"
    )  # other columns

    assert isinstance(ended.exception, SpecError)
    assert money_of(finished_batch) == before


def test_without_a_bill_it_says_which_words_are_missing(finished_batch: Batch) -> None:
    ended = call(finished_batch)

    assert isinstance(ended.exception, UsageError)
    assert "--bill FILE" in str(ended.exception)
