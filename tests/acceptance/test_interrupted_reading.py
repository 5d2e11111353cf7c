"""A table whose reading was stopped or killed is read on by the next command."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.acceptance.batch import Batch, product_rows
from tests.acceptance.conftest import rehearsal
from tests.books import ledger_rows

ROWS = 20_000
BOUGHT = 2

Plan = list[list[dict[str, object]]]


def one_of_many(folder: Path, suffix: str = ".csv") -> Batch:
    """Return a batch that buys a few rows of many."""
    folder.mkdir(exist_ok=True)
    batch = rehearsal(folder, "aimlapi", "--limit", str(BOUGHT))
    batch.write(product_rows(range(ROWS)))
    return batch


def plan_of(batch: Batch) -> Plan:
    """Return all that the reading of the manifest wrote down of its rows."""
    tables = ("SELECT * FROM plan", "SELECT * FROM rows")
    return [[dict(row) for row in ledger_rows(batch.ledger, sql)] for sql in tables]


def rows_read(batch: Batch) -> int:
    """Return how many rows are in the plan so far; 0 when all of them are."""
    query = "SELECT value FROM meta WHERE name = 'reading' AND value IS NOT NULL"
    try:
        rows = ledger_rows(batch.ledger, query)
    except sqlite3.OperationalError:
        return 0  # it is being made
    return int(json.loads(str(rows[0]["value"]))["rows"]) if rows else 0


def has_read(batch: Batch, rows: int) -> Callable[[], bool]:
    return lambda: rows_read(batch) >= rows


@pytest.fixture(scope="module")
def whole_plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of a reading that nothing interrupted."""
    batch = one_of_many(tmp_path_factory.mktemp("whole"))
    ended = batch.run()
    assert ended.code == 0, ended
    return plan_of(batch)


def test_a_signal_ends_the_reading_and_the_same_command_carries_on(
    tmp_path: Path, whole_plan: Plan
) -> None:
    batch = one_of_many(tmp_path)

    with batch.running() as run:
        assert run.comes_to(has_read(batch, 3_000)), run.output
        run.send(signal.SIGINT)
        stopped = run.end()
    read = rows_read(batch)

    assert stopped.code == 130, stopped
    assert 3_000 <= read < ROWS
    assert f"stopped while reading catalog.csv: {read:,} rows of it are read" in (
        stopped.stderr
    )
    assert (
        f"the first {read:,} rows, as the manifest is not read to its end"
        in stopped.stdout
    )
    assert pl.read_parquet(batch.table).height == read
    assert f"{read:,}" in batch.call("status", "out").stdout
    assert batch.call("report", "out").code == 0

    carried_on = batch.carry_on(stopped.stdout)

    assert carried_on.code == 0, carried_on
    assert plan_of(batch) == whole_plan
    assert pl.read_parquet(batch.table).height == ROWS
    assert len(ledger_rows(batch.ledger, "SELECT * FROM attempts")) == BOUGHT


def test_a_signal_at_the_very_start_is_a_stop_like_any_other(
    tmp_path: Path,
) -> None:
    batch = one_of_many(tmp_path)

    with batch.running() as run:
        run.until("started")
        run.send(signal.SIGINT)
        stopped = run.end()

    assert stopped.code == 130, stopped
    assert "catalog.csv" in stopped.stderr
    assert batch.carry_on(stopped.stdout).code == 0
    assert pl.read_parquet(batch.table).height == ROWS


def test_a_reading_that_is_killed_again_and_again_is_carried_on(
    tmp_path: Path, whole_plan: Plan
) -> None:
    batch = one_of_many(tmp_path)
    for min_rows in (1, 4_000, 9_000, 15_000):
        with batch.running() as run:
            assert run.comes_to(has_read(batch, max(min_rows, rows_read(batch) + 1)))
            run.kill()
        assert rows_read(batch) >= min_rows

    ended = batch.run()

    assert ended.code == 0, ended
    assert plan_of(batch) == whole_plan
    assert len(ledger_rows(batch.ledger, "SELECT * FROM attempts")) <= 2 * BOUGHT


def test_an_edited_table_whose_reading_stops_leaves_the_plan_that_counts(
    tmp_path: Path,
) -> None:
    batch = rehearsal(tmp_path, "aimlapi", "--limit", str(BOUGHT))
    batch.write(product_rows(range(10)))
    assert batch.run().code == 0
    batch.write(product_rows(range(ROWS)))

    with batch.running() as run:
        assert run.comes_to(has_read(batch, 3_000)), run.output
        run.send(signal.SIGTERM)
        stopped = run.end()
    read = rows_read(batch)

    assert stopped.code == 143, stopped
    assert f"{read:,} rows of it are read" in stopped.stderr
    assert "(of the manifest as it was before its last change)" in stopped.stdout
    assert pl.read_parquet(batch.table).height == 10

    with batch.running() as run:
        assert run.comes_to(has_read(batch, read + 1)), run.output
        assert rows_read(batch) < ROWS
        run.kill()
    carried_on = batch.carry_on(stopped.stdout)

    assert carried_on.code == 0, carried_on
    assert pl.read_parquet(batch.table).height == ROWS
    assert len(ledger_rows(batch.ledger, "SELECT * FROM attempts")) == BOUGHT
