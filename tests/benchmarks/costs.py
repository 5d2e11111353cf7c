"""Add up a million result rows by brand, against a plain read of the whole table.

Run it as `python -m tests.benchmarks.costs [ROWS]`. The table is written as a run does
it, with prompts, files and hashes. Each candidate is a process of its own, its start
included; they take turns, and the figures are medians of three.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from batchgen.model import ResultRow, Status
from batchgen.output.result_table import write_table
from tests.output.test_table import DONE, MOMENT, PICTURE

ROWS, TABLES, ROUNDS, SLICE = 1_000_000, 5, 3, 10_000
BRANDS = 200


def write(path: Path, rows: int) -> None:
    """Write a table of rows that differ in all that a reader decodes."""
    chance = random.Random(1)

    def slices() -> Iterator[tuple[list[ResultRow], bytes]]:
        for first in range(0, rows, SLICE):
            numbers = range(first, min(rows, first + SLICE))
            yield [_row(number, chance) for number in numbers], _own(numbers, chance)

    write_table(path, slices(), _own(range(0), chance))


def _row(number: int, chance: random.Random) -> ResultRow:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    failed = chance.random() < 0.05
    sent = MOMENT + timedelta(seconds=number / 10)
    return replace(
        DONE,
        row=number,
        id=f"sku-{number:07}",
        status=Status.FAILED if failed else Status.SUCCEEDED,
        prompt=f"Studio photograph of product {digest}, soft light, plain ground",
        files=()
        if failed
        else (PICTURE._replace(name=f"{number}.png", sha256=digest),),
        cost_usd=Decimal(chance.randrange(60_000_000, 140_000_000)).scaleb(-9),
        at_risk_usd=Decimal(0),
        at_risk_attempts=0,
        estimated_usd=Decimal("0.0925"),
        request_id=digest[:24],
        started_at=sent,
        finished_at=sent + timedelta(seconds=chance.uniform(5, 40)),
        latency_s=chance.uniform(5, 40),
    )


def _own(rows: range, chance: random.Random) -> bytes:
    brands = [f"brand {chance.randrange(BRANDS)}" for _ in rows]
    buffer = io.BytesIO()
    pl.DataFrame({"brand": brands}, {"brand": pl.String}).write_ipc_stream(buffer)
    return buffer.getvalue()


def run(words: list[str]) -> tuple[float, float, float]:
    """Run a process; return its seconds, its CPU seconds and its peak RSS in MB."""
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit


def measure(folder: Path, rows: int) -> None:
    """Print what each candidate took."""
    tables = [folder / f"{index}.parquet" for index in range(TABLES)]
    # Not here: a process counts the memory of the one that it was forked from.
    run([sys.executable, "-m", __spec__.name, "write", str(tables[0]), str(rows)])
    for table in tables[1:]:
        table.hardlink_to(tables[0])
    by_brand = ["--by", "brand", "--format", "csv"]
    costs = [sys.executable, "-m", "batchgen", "costs", *by_brand]
    read = f"import polars; polars.read_parquet({str(tables[0])!r})"
    candidates = {
        "costs --by brand": [*costs, str(tables[0])],
        f"the same of {TABLES} tables": [*costs, *map(str, tables)],
        "plain read, whole table": [sys.executable, "-c", read],
    }
    measurements: dict[str, list[tuple[float, float, float]]] = {
        candidate: [] for candidate in candidates
    }
    for _ in range(ROUNDS):
        for name, words in candidates.items():
            measurements[name].append(run(words))
    size_mb = tables[0].stat().st_size / 2**20
    sys.stdout.write(f"{rows:,} rows a table, {size_mb:.0f} MB\n")
    figures = {
        name: [statistics.median(value) for value in zip(*rounds, strict=True)]
        for name, rounds in measurements.items()
    }
    for name, (wall_s, cpu_s, rss_mb) in figures.items():
        times = f"{wall_s:6.2f} s, {cpu_s:6.2f} s of CPU"
        sys.stdout.write(f"{name:24} {times}, peak RSS {rss_mb:5.0f} MB\n")
    ours, _, plain = figures.values()
    time_ratio, memory_ratio = ours[0] / plain[0], ours[2] / plain[2]
    sys.stdout.write(
        f"costs against the plain read: {time_ratio:.2f} of its time, "
        f"{memory_ratio:.2f} of its memory\n"
    )


if __name__ == "__main__":
    if "write" in sys.argv:
        write(Path(sys.argv[-2]), int(sys.argv[-1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), int(sys.argv[1]) if sys.argv[1:] else ROWS)
