"""Kill a run at moments that are seen from outside, while it works."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.batch import Batch, Running, product_rows
from tests.books import ledger_rows
from tests.warm import Ended

IN_FLIGHT = 16
CHEAPEST = {"aimlapi": "1K", "foxapi": "512"}
TRIES = 10
"""A report is quick: so often is it tried to meet one while it writes."""

Moment = Callable[[Running], Callable[[], bool]]
"""Given a command that has just started, returns what tells that the moment came."""

_NEWEST = """
  SELECT (SELECT state FROM attempts WHERE attempts.row_id = rows.row_id
          ORDER BY attempt_id DESC LIMIT 1) AS state FROM rows
"""


def noted_rows(rows: int) -> list[dict[str, object]]:
    """Return rows with columns of their own, so that outputs take a while to write."""
    rng = random.Random(rows)
    return [
        {**row, "notes": rng.randbytes(4_000).hex()}
        for row in product_rows(range(rows))
    ]


def rehearsal(folder: Path, provider: str, *options: str) -> Batch:
    """Return a batch that is rehearsed, as many at once as the law names."""
    return Batch(
        folder=folder,
        options=(
            *("--provider", provider, "--rehearse", "--quiet"),
            *("--resolution", CHEAPEST[provider], "--concurrency", str(IN_FLIGHT)),
            *("--max-attempts", "30", "--max-unknown", "30"),
            *options,
        ),
    )


# -- moments


def at_second(seconds: float) -> Moment:
    """So long after the start, whatever it does then."""

    def watch(_: Running) -> Callable[[], bool]:
        started = time.monotonic()
        return lambda: time.monotonic() - started >= seconds

    return watch


def at_event(event: str, times: int) -> Moment:
    """When it has made a step, or logged a note, so many times."""
    return lambda run: lambda: run.events()[event] >= times


def at_file(*parts: str) -> Moment:
    """When a file of the run folder is there."""
    return lambda run: lambda: run.batch.out.joinpath(*parts).exists()


def at_directory() -> Moment:
    """When every image is stored and the ZIP changes: its directory is written."""

    def watch(run: Running) -> Callable[[], bool]:
        started = written_at(run.batch.archive)

        def writing() -> bool:
            is_touched = written_at(run.batch.archive) != started
            return is_touched and set(newest_states(run.batch)) == {"stored"}

        return writing

    return watch


def at_table() -> Moment:
    """When the table is being written; just afterwards, if that was too quick."""

    def watch(run: Running) -> Callable[[], bool]:
        started = written_at(run.batch.table)
        partial = run.batch.table.with_name("results.parquet.partial")
        # An earlier kill may have left one: only one that is touched is written.
        left = written_at(partial)
        return lambda: (
            written_at(partial) not in (left, 0)
            or written_at(run.batch.table) != started
        )

    return watch


def written_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def newest_states(batch: Batch) -> list[str | None]:
    """Return the state of the last attempt at each row; None where there is none."""
    return [ledger_row["state"] for ledger_row in ledger_rows(batch.ledger, _NEWEST)]


# -- kills


def kill_run(batch: Batch, moment: Moment) -> bool:
    """Run and kill; False when the run ended before the moment."""
    with batch.running() as run:
        if not run.comes_to(moment(run)):
            return False
        run.kill()
    return True


def kill_report(batch: Batch, moment: Moment) -> bool:
    """Let the outputs be written anew, and kill that; False when it was quicker."""
    with batch.calling("report", "out") as report:
        if not report.comes_to(moment(report)):
            return False
        report.kill()
    return True


def kill_outputs(batch: Batch, moment: Moment) -> bool:
    """Kill while the outputs are written, by the run or, failing that, by a report."""
    return kill_run(batch, moment) or any(
        kill_report(batch, moment) for _ in range(TRIES)
    )


def kill_at(batch: Batch, point: str, *arguments: str) -> None:
    """Give a command that kills itself at a point of `tests.crash.points`."""
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-m", "tests.crash.at", point, "--", *arguments],
        cwd=batch.folder,
        env={**os.environ, "PYTHONPATH": root},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended


def finished(batch: Batch) -> Ended:
    """Run to the end, which must be a good one."""
    ended = batch.run()
    assert ended.code == 0, ended
    return ended
