"""Small replies with everything on, against the bare loop that stores nothing."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.frame import (
    Finding,
    Used,
    batchgen,
    serving,
    steady,
    take_turns,
    use,
    whole,
)
from tests.benchmarks.manifests import write_manifest

ROWS, FEW, IN_FLIGHT, SIZE = 10_000, 1_000, 64, 1_000
"""A start takes about a second of the many rows' ten; the few show what it takes."""

KEYS = {"AIMLAPI_API_KEY": "key-of-the-benchmark", "GEMINI_API_KEY": "likewise"}
CASES = {
    "one request a row": ("gemini", "inline"),
    "two requests a row": ("aimlapi", "link"),
}


def measure(rounds: int) -> Iterator[Finding]:
    """Compare rows a second and CPU a row: whole processes, and one more row."""
    for name, (provider, kind) in CASES.items():
        with tempfile.TemporaryDirectory() as folder, serving() as address:
            url = f"{address}/{kind}-{SIZE}-0"
            few, many = (
                write_manifest(Path(folder) / f"{kind}.csv", kind)
                for kind in (FEW, ROWS)
            )
            turns = take_turns(
                {
                    "batchgen": partial(run, provider, url, many),
                    "bare": partial(bare, url, ROWS),
                    "batchgen, few": partial(run, provider, url, few),
                    "bare, few": partial(bare, url, FEW),
                },
                rounds,
            )
        more = ROWS - FEW
        ours, other = (whole(turns[name], ROWS) for name in ("batchgen", "bare"))
        own, bares = (
            steady(turns[f"{name}, few"], turns[name], more)
            for name in ("batchgen", "bare")
        )
        what = f"1 KB replies, {name}, {IN_FLIGHT} in flight"
        yield Finding(
            what=f"{what}: rows a second",
            ours=f"{1 / ours.wall_s:,.0f}",
            other=f"bare httpx loop {1 / other.wall_s:,.0f}",
            ratio=other.wall_s / ours.wall_s,
            goal=0.5,
            side="at least",
        )
        yield Finding(
            what=f"{what}: CPU a row",
            ours=f"{ours.cpu_s * 1e3:.2f} ms",
            other=f"bare httpx loop {other.cpu_s * 1e3:.2f} ms",
            ratio=ours.cpu_s / other.cpu_s,
            goal=2.0,
        )
        yield Finding(
            what=f"{what}: CPU of one more row",
            ours=f"{own.cpu_s * 1e3:.2f} ms",
            other=f"bare httpx loop {bares.cpu_s * 1e3:.2f} ms",
            ratio=own.cpu_s / bares.cpu_s,
        )


def run(provider: str, url: str, manifest: Path) -> Used:
    """Run batchgen over a manifest in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = batchgen(
            *("run", manifest, "--provider", provider, "--base-url", url),
            *("--yes", "--quiet", "--concurrency", str(IN_FLIGHT)),
            *("--out", Path(folder) / "out"),
        )
        return use(command, env=KEYS)


def bare(url: str, rows: int) -> Used:
    """Run the bare loop over so many rows."""
    command = (sys.executable, "-m", "tests.benchmarks.bare", url)
    return use([*command, str(rows), str(IN_FLIGHT)])
