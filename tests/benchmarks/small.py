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
    median,
    serving,
    take_turns,
    use,
)
from tests.benchmarks.manifests import write_manifest

ROWS, IN_FLIGHT, SIZE = 5_000, 64, 1_000
KEYS = {"AIMLAPI_API_KEY": "key-of-the-benchmark", "GEMINI_API_KEY": "likewise"}
CASES = {
    "one request a row": ("gemini", "inline"),
    "two requests a row": ("aimlapi", "link"),
}


def measure(rounds: int) -> Iterator[Finding]:
    """Compare rows a second and CPU a row, whole processes with their start and end."""
    for name, (provider, kind) in CASES.items():
        with tempfile.TemporaryDirectory() as folder, serving() as address:
            url = f"{address}/{kind}-{SIZE}-0"
            manifest = write_manifest(Path(folder) / "rows.csv", ROWS)
            taken = take_turns(
                {
                    "batchgen": partial(run, provider, url, manifest),
                    "bare": partial(bare, url),
                },
                rounds,
            )
        ours, other = taken["batchgen"], taken["bare"]
        rate = [ROWS / median(it, lambda used: used.wall_s) for it in (ours, other)]
        cpu = [median(it, lambda used: used.cpu_s) / ROWS * 1e3 for it in (ours, other)]
        yield Finding(
            what=f"1 KB replies, {name}, {IN_FLIGHT} in flight: rows a second",
            ours=f"{rate[0]:,.0f}",
            other=f"bare httpx loop {rate[1]:,.0f}",
            ratio=rate[0] / rate[1],
            goal=0.5,
            side="at least",
        )
        yield Finding(
            what=f"1 KB replies, {name}, {IN_FLIGHT} in flight: CPU a row",
            ours=f"{cpu[0]:.2f} ms",
            other=f"bare httpx loop {cpu[1]:.2f} ms",
            ratio=cpu[0] / cpu[1],
            goal=2.0,
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


def bare(url: str) -> Used:
    """Run the bare loop over as many rows."""
    command = (sys.executable, "-m", "tests.benchmarks.bare", url)
    return use([*command, str(ROWS), str(IN_FLIGHT)])
