"""20 MB images as base64 in JSON: against bare loops that decode them in pieces."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.frame import (
    MEGABYTE,
    Finding,
    Used,
    batchgen,
    median,
    serving,
    take_turns,
    use,
)
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import KEYS

ROWS, IN_FLIGHT, SIZE = 64, 16, 20_000_000
HELD_MB = 256 * 1024 * 1024 / MEGABYTE
"""What a run holds by default of images that arrive or wait to be written."""


def measure(rounds: int) -> Iterator[Finding]:
    """Compare CPU a reply without start and end, and the memory of a whole run."""
    with tempfile.TemporaryDirectory() as folder, serving() as address:
        url = f"{address}/inline-{SIZE}-0"
        rows = {
            value: write_manifest(Path(folder) / f"{value}.csv", value)
            for value in (1, ROWS)
        }
        one, all_ = (
            take_turns(
                {
                    "bare": partial(loop, "bare", url, count),
                    "wire": partial(loop, "wire", url, count),
                    "bare with a file": partial(loop, "bare", url, count, keep=True),
                    "batchgen": partial(run, url, rows[count]),
                },
                rounds,
            )
            for count in (1, ROWS)
        )
    cpu = {
        name: (
            median(all_[name], lambda used: used.cpu_s)
            - median(one[name], lambda used: used.cpu_s)
        )
        / (ROWS - 1)
        * 1e3
        for name in all_
    }
    words = f"20 MB as base64 in JSON, {IN_FLIGHT} in flight"
    for ours, other, what in (
        ("wire", "bare", "CPU a reply, dropped"),
        ("batchgen", "bare with a file", "CPU a row of a whole run"),
    ):
        yield Finding(
            what=f"{words}: {what}",
            ours=f"{cpu[ours]:.0f} ms",
            other=f"{other} {cpu[other]:.0f} ms",
            ratio=cpu[ours] / cpu[other],
            goal=1.5,
        )
    peak = median(all_["batchgen"], lambda used: used.rss_mb)
    idle = median(one["batchgen"], lambda used: used.rss_mb) - SIZE / MEGABYTE
    yield Finding(
        what=f"{words}: peak RSS above idle, images that wait counted in",
        ours=f"{peak - idle:.0f} MB",
        other=f"150 MB and {HELD_MB:.0f} MB of images",
        ratio=(peak - idle) / (150 + HELD_MB),
        goal=1.0,
    )


def loop(kind: str, url: str, rows: int, *, keep: bool = False) -> Used:
    """Run a bare loop."""
    command = [sys.executable, "-m", "tests.benchmarks.pieces", kind, url]
    with tempfile.TemporaryDirectory() as folder:
        path = [f"{folder}/images"] if keep else []
        return use([*command, str(rows), str(IN_FLIGHT), *path])


def run(url: str, manifest: Path) -> Used:
    """Run batchgen over a manifest in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = batchgen(
            *("run", manifest, "--provider", "gemini", "--base-url", url),
            *("--yes", "--quiet", "--concurrency", str(IN_FLIGHT)),
            *("--out", Path(folder) / "out"),
        )
        return use(command, env=KEYS)
