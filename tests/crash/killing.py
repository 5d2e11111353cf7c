"""Kill a run again and again, at moments that a seed chooses, and then let it end."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.batch import Batch, Ended, Running, product_rows
from tests.acceptance.books import ledger_rows

IN_FLIGHT = 16
CHEAPEST = {"aimlapi": "1K", "foxapi": "512"}
OUTPUT_KILLS = 3
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
        begun = time.monotonic()
        return lambda: time.monotonic() - begun >= seconds

    return watch


def at_event(event: str, times: int) -> Moment:
    """When it has made a step, or logged a note, so many times."""
    return lambda run: lambda: run.events()[event] >= times


def at_download(images: int) -> Moment:
    """When so many images are delivered and not stored yet."""

    def watch(run: Running) -> Callable[[], bool]:
        def between() -> bool:
            events = run.events()
            return events["delivered"] - events["stored"] >= images

        return between

    return watch


def at_file(*parts: str) -> Moment:
    """When a file of the run folder is there."""
    return lambda run: lambda: run.batch.out.joinpath(*parts).exists()


def at_bytes(more: int) -> Moment:
    """When the ZIP has grown by so many bytes."""

    def watch(run: Running) -> Callable[[], bool]:
        begun = size_of(run.batch.archive)
        return lambda: size_of(run.batch.archive) >= begun + more

    return watch


def at_directory() -> Moment:
    """When every image is stored and the ZIP changes: its directory is written."""

    def watch(run: Running) -> Callable[[], bool]:
        begun = written_at(run.batch.archive)

        def writing() -> bool:
            is_touched = written_at(run.batch.archive) != begun
            return is_touched and set(newest_states(run.batch)) == {"stored"}

        return writing

    return watch


def at_table() -> Moment:
    """When the table is being written; just afterwards, if that was too quick."""

    def watch(run: Running) -> Callable[[], bool]:
        begun = written_at(run.batch.table)
        partial = run.batch.table.with_name("results.parquet.partial")
        # An earlier kill may have left one: only one that is touched is written.
        left = written_at(partial)
        return lambda: (
            written_at(partial) not in (left, 0) or written_at(run.batch.table) != begun
        )

    return watch


def first_of(*moments: Moment) -> Moment:
    """When the first of several moments comes."""

    def watch(run: Running) -> Callable[[], bool]:
        watched = [moment(run) for moment in moments]
        return lambda: any(has_come() for has_come in watched)

    return watch


def choose_moment(rng: random.Random, provider: str, share: int) -> Moment:
    """Return a moment anywhere in a run's life.

    Args:
        rng: The seed's.
        provider: It says which phases there are.
        share: Rows that one run may see through before it is killed at the latest.
    """
    events = ["sent", "delivered", "stored"]
    if provider == "foxapi":
        events += ["accepted", "accepted"]
    moment = rng.choice(
        [
            at_second(rng.uniform(0.0, 1.5)),
            at_event("started", 1),
            at_download(rng.randint(1, 3)),
            at_bytes(rng.randint(1, share * 10_000)),
            *(at_event(event, rng.randint(1, share)) for event in events),
        ]
    )
    return first_of(moment, at_event("stored", share))


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def written_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def newest_states(batch: Batch) -> list[str | None]:
    """Return the state of the last attempt at each row; None where there is none."""
    return [it["state"] for it in ledger_rows(batch.ledger, _NEWEST)]


# -- kills


@dataclass(slots=True)
class Figures:
    """What the kills met.

    Attributes:
        planning: Kills before the whole manifest was planned.
        finishing: Kills after the last image was stored.
        under_way: States of attempts that were under way at a kill.
        torn_bytes: Bytes in the ZIP that the ledger did not name, at all kills.
        adopted: Images found whole in the ZIP after a kill.
    """

    kills: int = 0
    planning: int = 0
    finishing: int = 0
    under_way: Counter[str] = field(default_factory=Counter)
    torn_bytes: int = 0
    adopted: int = 0

    def add(self, batch: Batch) -> None:
        """Note where a kill hit."""
        self.kills += 1
        meta = read_meta(batch)
        if meta.get("plan_digest") is None:
            self.planning += 1
            return
        states = newest_states(batch)
        self.finishing += set(states) == {"stored"}
        self.under_way.update(
            it for it in states if it in ("sent", "accepted", "delivered")
        )
        known = int(meta.get("archive_end") or 0)
        self.torn_bytes += max(0, size_of(batch.archive) - known)


def read_meta(batch: Batch) -> dict[str, Any]:
    """Return what the ledger remembers of the folder; empty before it is made."""
    tables = (
        ledger_rows(batch.ledger, "SELECT name FROM sqlite_master")
        if _has(batch)
        else []
    )
    if not tables:
        return {}
    found = ledger_rows(batch.ledger, "SELECT name, value FROM meta")
    return {it["name"]: it["value"] for it in found}


def _has(batch: Batch) -> bool:
    return size_of(batch.ledger) > 0


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


def survive(batch: Batch, provider: str, rows: int, kills: int, seed: int) -> Figures:
    """Kill one run so often, let it end, and return what the kills met.

    Raises:
        AssertionError: it could not be killed so often, or did not end well.
    """
    rng = random.Random(f"{provider} {seed}")
    share = max(1, rows // (kills + 1))
    outputs = min(OUTPUT_KILLS, kills // 2)
    figures = Figures()
    # The first one hits while the folder is made and the manifest is planned.
    early = [at_file("run.db"), at_file("sandbox"), at_event("started", 1)]
    later = kills - outputs - 1
    moments = [rng.choice(early)]
    moments += [choose_moment(rng, provider, share) for _ in range(later)]
    for moment in moments:
        if kill_run(batch, moment):
            figures.add(batch)
    while figures.kills < kills:
        assert kill_outputs(batch, rng.choice([at_directory(), at_table()]))
        figures.add(batch)
    ended = batch.run()
    assert ended.code == 0, ended
    figures.adopted = sum(map(int, re.findall(r"adopted=(\d+)", batch.log.read_text())))
    return figures


def finished(batch: Batch) -> Ended:
    """Run to the end, which must be a good one."""
    ended = batch.run()
    assert ended.code == 0, ended
    return ended
