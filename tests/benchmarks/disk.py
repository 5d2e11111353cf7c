"""What it costs to wait until all is on disk: itself with syncs, and without."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.frame import Finding, median, take_turns
from tests.benchmarks.images import IN_FLIGHT, Load, offered, run

LOADS = {
    "1 KB": Load(kind="inline", size=1_000, rows=5_000),
    "100 KB": Load(kind="inline", size=100_000, rows=4_000),
    "1.5 MB": Load(kind="inline", size=1_500_000, rows=800),
}


def measure(rounds: int) -> Iterator[Finding]:
    """Compare batchgen with itself when it never waits for the disk."""
    for name, load in LOADS.items():
        with offered(load) as (url, manifest):
            ours = partial(run, load, url, manifest)
            unsynced = partial(ours, module="tests.benchmarks.unsynced")
            turns = take_turns({"synced": ours, "unsynced": unsynced}, rounds)
        synced, other = (
            load.rows / median(turns[name], lambda used: used.wall_s)
            for name in ("synced", "unsynced")
        )
        yield Finding(
            what=f"images of {name} a second, {IN_FLIGHT} in flight, all synced",
            ours=f"{synced:,.0f}",
            other=f"itself without a sync {other:,.0f}",
            ratio=synced / other,
            goal=0.85,
            side="at least",
        )
