"""The end of a run: table, purchases and directory of a million stored rows.

What is measured is a whole `batchgen report`, its start included, of a folder whose
run bought an image for each row and was killed before it wrote its outputs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.frame import Finding, batchgen, median, use

ROWS = 1_000_000
GOAL_S, GOAL_MB = 20.0, 400.0


def measure(rounds: int) -> Iterator[Finding]:
    """Write all outputs anew each round."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        folder = Path(place) / "out"
        making = (sys.executable, "-m", "tests.benchmarks.stored", str(folder))
        use([*making, str(ROWS)], core=None)
        runs = [use(batchgen("report", folder)) for _ in range(rounds)]
    seconds = median(runs, lambda used: used.wall_s)
    rss_mb = median(runs, lambda used: used.rss_mb)
    yield Finding(
        what=f"table, purchases and directory of {ROWS:,} rows",
        ours=f"{seconds:.1f} s",
        other=f"{GOAL_S:.0f} s",
        ratio=seconds / GOAL_S,
        goal=1.0,
    )
    yield Finding(
        what=f"peak RSS of the process that writes them for {ROWS:,} rows",
        ours=f"{rss_mb:.0f} MB",
        other=f"{GOAL_MB:.0f} MB",
        ratio=rss_mb / GOAL_MB,
        goal=1.0,
    )
