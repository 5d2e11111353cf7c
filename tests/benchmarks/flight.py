"""What a row costs with 64 and with 2,000 requests in flight, at the same rate."""

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
from tests.benchmarks.small import CASES, KEYS, SIZE

ROWS, FEW, MANY = 6_000, 64, 2_000


def measure(rounds: int) -> Iterator[Finding]:
    """Compare CPU a row of a run with itself, without its start and end.

    Each request takes a millisecond for each that is in flight, so that both runs are
    asked for a thousand rows a second.
    """
    for name, (provider, kind) in CASES.items():
        with tempfile.TemporaryDirectory() as folder, serving() as address:
            manifest = write_manifest(Path(folder) / "rows.csv", ROWS)
            single = write_manifest(Path(folder) / "row.csv", 1)
            url = f"{address}/{kind}-{SIZE}"
            turns = take_turns(
                {
                    "start and end": partial(run, provider, url, single, 1),
                    "few": partial(run, provider, url, manifest, FEW),
                    "many": partial(run, provider, url, manifest, MANY),
                },
                rounds,
            )
        cpu = {
            key: median(value, lambda used: used.cpu_s) for key, value in turns.items()
        }
        few, many = (
            (cpu[key] - cpu["start and end"]) / ROWS * 1e3 for key in ("few", "many")
        )
        yield Finding(
            what=f"{FEW} -> {MANY:,} in flight, {name}: CPU a row",
            ours=f"{many:.2f} ms",
            other=f"itself with {FEW} {few:.2f} ms",
            ratio=many / few,
            goal=1.3,
        )


def run(provider: str, url: str, manifest: Path, in_flight: int) -> Used:
    """Run batchgen over a manifest in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = batchgen(
            *("run", manifest, "--provider", provider),
            *("--base-url", f"{url}-{in_flight}"),
            *("--yes", "--quiet", "--concurrency", str(in_flight)),
            *("--out", Path(folder) / "out"),
        )
        return use(command, env=KEYS)
