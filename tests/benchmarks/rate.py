"""The allowed rate: how much of it is used, and that it is never passed.

In the ideal schedule the first purchase leaves at once and each next one 60 s / N
later, so that the last of R rows leaves (R - 1) x 60 s / N after the first, whatever
the latency. It is measured where it counts: when requests come to the server. A
rate hardly varies from round to round, so there is one, with both latencies at a time.
"""

from __future__ import annotations

import json
import tempfile
import urllib.request
from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.benchmarks.frame import Finding, batchgen, serving, use
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import KEYS

ROWS, RPM, IN_FLIGHT = 1_500, 600, 600
LATENCIES_S = (2, 20)
WINDOW_S = 60.0


def measure(rounds: int) -> Iterator[Finding]:
    """Compare departures with the ideal schedule, and with the limit."""
    with serving() as address, tempfile.TemporaryDirectory() as folder:
        manifest = write_manifest(Path(folder) / "rows.csv", ROWS)
        with ThreadPoolExecutor() as both:
            times = list(both.map(partial(run, address, manifest), LATENCIES_S))
    ideal_s = (ROWS - 1) * 60 / RPM
    for latency_s, arrivals in zip(LATENCIES_S, times, strict=True):
        what = f"{RPM} a minute allowed, {latency_s} s latency"
        took_s = arrivals[-1] - arrivals[0]
        max_count = max(
            bisect_left(arrivals, arrival + WINDOW_S) - at
            for at, arrival in enumerate(arrivals)
        )
        yield Finding(
            what=f"{what}: rate used",
            ours=f"{(ROWS - 1) * 60 / took_s:.1f} a minute",
            other=f"ideal schedule {RPM}",
            ratio=ideal_s / took_s,
            goal=0.99,
            side="at least",
        )
        yield Finding(
            what=f"{what}: most in any {WINDOW_S:g} s",
            ours=f"{max_count}",
            other=f"limit {RPM}",
            ratio=max_count / RPM,
            goal=1.0,
        )


def run(address: str, manifest: Path, latency_s: int) -> list[float]:
    """Buy all rows; return when each purchase came to the server."""
    what = f"link-1000-{latency_s * 1000}"
    with tempfile.TemporaryDirectory() as folder:
        command = batchgen(
            *("run", manifest, "--provider", "aimlapi", "--yes", "--quiet"),
            *("--base-url", f"{address}/{what}", "--rpm", str(RPM)),
            *("--concurrency", str(IN_FLIGHT), "--out", Path(folder) / "out"),
        )
        use(command, env=KEYS)
    with urllib.request.urlopen(f"{address}/times/{what}") as reply:
        arrivals: list[float] = json.load(reply)
    assert len(arrivals) == ROWS
    return arrivals
