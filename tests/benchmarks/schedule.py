"""A whole run against the ideal schedule: rows over places, times the latency.

From the first purchase that leaves to the last image in the archive; everything is on.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl

from tests.benchmarks.frame import Finding, batchgen, serving, use
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import KEYS

ROWS, IN_FLIGHT, LATENCY_S = 2_000, 512, 2
IDEAL_S = math.ceil(ROWS / IN_FLIGHT) * LATENCY_S


def measure(rounds: int) -> Iterator[Finding]:
    """Show how near a run comes, two requests a row."""
    with serving() as address:
        took_s = statistics.median(run(address) for _ in range(rounds))
    yield Finding(
        what=f"{ROWS:,} rows, {IN_FLIGHT} in flight, {LATENCY_S} s latency",
        ours=f"{took_s:.2f} s",
        other=f"ideal schedule {IDEAL_S} s",
        ratio=took_s / IDEAL_S,
    )


def run(address: str) -> float:
    """Buy all rows; return the seconds from the first send to the last image."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_manifest(Path(folder) / "rows.csv", ROWS)
        url = f"{address}/link-1000-{LATENCY_S * 1000}"
        command = batchgen(
            *("run", manifest, "--provider", "aimlapi", "--base-url", url),
            *("--yes", "--quiet", "--concurrency", str(IN_FLIGHT)),
            *("--out", Path(folder) / "out"),
        )
        use(command, env=KEYS)
        table = pl.read_parquet(Path(folder) / "out" / "results.parquet")
    first, last = table["started_at"].min(), table["finished_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return (last - first).total_seconds()
