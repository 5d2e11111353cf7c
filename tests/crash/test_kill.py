"""A run that is killed at any moment loses nothing and buys nothing twice in silence.

Here the moment is seen from outside; `test_points.py` kills at each step by itself.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zipfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.acceptance.batch import product_rows
from tests.acceptance.conftest import customer
from tests.books import ledger_rows
from tests.crash.killing import (
    Moment,
    at_directory,
    at_event,
    at_file,
    at_second,
    at_table,
    finished,
    kill_at,
    kill_outputs,
    kill_run,
    newest_states,
    noted_rows,
    rehearsal,
    written_at,
)
from tests.crash.power import size_of
from tests.law import check_all, check_images, check_no_image_is_forgotten

PROVIDERS = ["aimlapi", "foxapi"]

_ANSWERED_INLINE = """
  SELECT id, json_extract(request, '$.prompt') AS prompt
  FROM rows JOIN attempts USING (row_id) JOIN images USING (attempt_id)
  WHERE images.link IS NULL
"""


def test_a_kill_during_the_very_first_second_leaves_nothing_in_the_way(
    tmp_path: Path,
) -> None:
    batch = rehearsal(tmp_path, "aimlapi")
    batch.write(product_rows(range(8)))
    moments: list[Moment] = [
        at_second(0.05),
        at_file("run.db"),
        at_file("run.db-wal"),
        at_file("sandbox", "sandbox.db"),
        at_file("run.log"),
        at_event("started", 1),
        at_event("sent", 1),
    ]

    killed = [kill_run(batch, moment) for moment in moments]
    finished(batch)

    assert all(killed)
    books = batch.books()
    assert books.statuses == {"succeeded": 8}
    check_all(books)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_after_a_kill_status_and_report_work_and_buy_nothing(
    provider: str, tmp_path: Path
) -> None:
    batch = rehearsal(tmp_path, provider, "--concurrency", "4")
    batch.write(product_rows(range(12)))
    assert kill_run(batch, at_event("stored", 3))
    count = "SELECT count(*) AS attempts FROM attempts"
    before = ledger_rows(batch.ledger, count)

    status = batch.call("status", "out", "--json")
    reports = [batch.call("report", "out") for _ in range(2)]
    books = batch.books()

    assert [report.code for report in (status, *reports)] == [0, 0, 0], (
        status,
        reports,
    )
    assert json.loads(status.stdout)["running"] is False
    assert ledger_rows(batch.ledger, count) == before
    assert len(books.rows) == 12
    assert 3 <= books.statuses["succeeded"] < 12
    check_all(books)

    finished(batch)
    books = batch.books()

    assert books.statuses == {"succeeded": 12}
    check_all(books)


def test_an_image_that_came_with_its_reply_is_adopted_when_only_the_zip_has_it(
    tmp_path: Path,
) -> None:
    with start_sandbox(tmp_path / "bank", latency=0) as bank:
        row = _row_answered_inline(tmp_path / "scout", bank)
        batch = customer(tmp_path, bank, "aimlapi")
        batch.write([row])
        bank.queue_fault("aimlapi", "slow")

        with batch.running() as run:
            assert run.comes_to(lambda: bank.faults()["held"] == 1)
            with closing(sqlite3.connect(batch.ledger)) as lock:
                # The writer appends and syncs the image, then waits to name it.
                lock.execute("BEGIN IMMEDIATE")
                bank.release()
                assert run.comes_to(lambda: _ends_a_png(batch.archive))
                run.kill()
        finished(batch)
        books = batch.books(bank)

    [attempt] = books.attempts
    assert attempt["state"] == "stored"
    assert (
        Counter(request["body"]["prompt"] for request in books.requests)[row["prompt"]]
        == 2
    )
    assert books.at_risk == 0
    assert books.bought()[row["prompt"]] == 2  # the scout's and this one
    check_images(books)
    check_no_image_is_forgotten(books)


def _ends_a_png(path: Path) -> bool:
    return path.exists() and path.read_bytes().endswith(b"IEND\xaeB`\x82")


def _row_answered_inline(folder: Path, bank: SandboxProcess) -> dict[str, Any]:
    """Return a row whose image does not come as a link."""
    folder.mkdir()
    scout = customer(folder, bank, "aimlapi")
    scout.write(product_rows(range(60)))
    finished(scout)
    [row, *_] = ledger_rows(scout.ledger, _ANSWERED_INLINE)
    return row


def test_a_kill_between_the_zip_and_the_table_leaves_both_to_the_next_command(
    tmp_path: Path,
) -> None:
    batch = rehearsal(tmp_path, "aimlapi")
    batch.write(product_rows(range(6)))

    kill_at(batch, "table-before", *batch.run_arguments())
    assert zipfile.is_zipfile(batch.archive)
    assert not batch.table.exists()
    finished(batch)

    books = batch.books()
    assert books.statuses == {"succeeded": 6}
    assert len(books.requests) == 6
    check_all(books)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(at_directory(), id="the-ZIP's-directory"),
        pytest.param(at_table(), id="the-table"),
    ],
)
def test_outputs_that_a_kill_cut_short_are_written_anew(
    moment: Moment, tmp_path: Path
) -> None:
    batch = rehearsal(tmp_path, "aimlapi")
    batch.write(noted_rows(40))

    assert kill_outputs(batch, moment)
    assert set(newest_states(batch)) == {"stored"}
    finished(batch)

    books = batch.books()
    assert Counter(request["body"]["prompt"] for request in books.requests) == Counter(
        books.prompts
    )
    check_all(books)
    assert not list(batch.out.glob("*.partial"))


def test_a_report_that_is_killed_leaves_the_zip_to_the_next_command(
    tmp_path: Path,
) -> None:
    batch = rehearsal(tmp_path, "aimlapi")
    batch.write(product_rows(range(4)))
    finished(batch)
    whole = size_of(batch.archive)
    touched = written_at(batch.archive)

    kill_at(batch, "table-before", "report", "out")
    assert written_at(batch.archive) != touched
    assert zipfile.is_zipfile(batch.archive)
    # What a kill a moment earlier leaves: the images, and a part of the directory.
    os.truncate(batch.archive, whole - 50)
    finished(batch)

    check_all(batch.books())


def test_a_killed_run_ends_with_the_same_results_as_one_left_in_peace(
    tmp_path: Path,
) -> None:
    results = []
    for name in ("peace", "killed"):
        (tmp_path / name).mkdir()
        batch = rehearsal(tmp_path / name, "aimlapi", "--concurrency", "4")
        batch.write(product_rows(range(16)))
        if name == "killed":
            assert kill_run(batch, at_event("sent", 9))
            assert kill_run(batch, at_event("stored", 2))
        finished(batch)
        results.append(_lasting(batch.table))

    peace, killed = results
    assert killed.equals(peace)


def _lasting(table: Path) -> pl.DataFrame:
    """Return what does not depend on when it was bought, nor how often."""
    return pl.read_parquet(table).select(
        *("row", "id", "status", "prompt", "provider", "model"),
        *("aspect_ratio", "resolution", "cost_usd", "cost_basis", "estimated_usd"),
        *("error", "warning"),
        pl.col("files").list.eval(pl.element().struct.field("name")),
        pl.col("files").list.eval(pl.element().struct.field("width_px")).alias("width"),
    )
