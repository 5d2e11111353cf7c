"""Images of 15 MB of which a third breaks off: memory, against a run that loses none.

What a lost reply left behind was found by Python's collector of cycles, which counts
objects and not bytes: the more was lost, the more was held.
"""

from __future__ import annotations

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
from tests.benchmarks.small import KEYS

ROWS, IN_FLIGHT, SIZE = 120, 32, 15_000_000
PROVIDERS = {"inline": "gemini", "link": "aimlapi"}


def measure(rounds: int) -> Iterator[Finding]:
    """Compare the peaks of whole runs."""
    for kind, provider in PROVIDERS.items():
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, serving() as server:
            manifest = write_manifest(Path(folder) / "rows.csv", ROWS)
            url = f"{server}/{kind}-{SIZE}-0"
            turns = take_turns(
                {
                    "whole": partial(run, provider, url, manifest),
                    "cut": partial(run, provider, f"{url}-cut3", manifest),
                },
                rounds,
            )
        peaks = {case: median(turns[case], lambda used: used.rss_mb) for case in turns}
        yield Finding(
            what=f"15 MB {kind}, {IN_FLIGHT} in flight, every third cut: peak RSS",
            ours=f"{peaks['cut']:.0f} MB",
            other=f"{peaks['whole']:.0f} MB when none is cut",
            ratio=peaks["cut"] / peaks["whole"],
            goal=1.2,
        )


def run(provider: str, url: str, manifest: Path) -> Used:
    """Run over a manifest in a folder of its own; rows that are lost twice are held."""
    with tempfile.TemporaryDirectory(dir=manifest.parent) as folder:
        command = batchgen(
            *("run", manifest, "--provider", provider, "--base-url", url, "--yes"),
            *("--quiet", "--concurrency", str(IN_FLIGHT), "--rpm", "100000"),
            *("--out", Path(folder) / "out"),
        )
        return use(command, core=None, env=KEYS, allowed=(0, 3))
