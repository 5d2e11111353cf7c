"""A million rows: memory, and the time until a resumed run sends something.

The run that plans them buys one row. Then 990,000 are said to be bought, as another
run would have done it, and the folder is resumed: as it is, and with one row more in
the manifest, so that each has to be rendered and looked up again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.frame import Finding, Used, batchgen, serving, use
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import KEYS
from tests.benchmarks.startup import first_request_s
from tests.benchmarks.stored import buy

MILLION, DONE = 1_000_000, 990_000
MAX_MB, MORE_MB, SAME_S, EDITED_S = 400.0, 10.0, 5.0, 60.0


def measure(rounds: int) -> Iterator[Finding]:
    """Plan one million and two, and resume the first."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, serving() as address:
        one = write_manifest(Path(folder) / "one.csv", MILLION)
        out = Path(folder) / "one"
        planned = _plan(one, out, address)
        yield _at_most("peak RSS for a million rows", planned.rss_mb, "MB", MAX_MB)
        yield Finding(
            what="bytes written to plan a row of 200 characters",
            ours=f"{planned.written_bytes / MILLION:,.0f}",
            other="the manifest's",
            ratio=planned.written_bytes / one.stat().st_size,
        )
        two = write_manifest(Path(folder) / "two.csv", 2 * MILLION)
        more_mb = _plan(two, Path(folder) / "two", address).rss_mb - planned.rss_mb
        yield _at_most("peak RSS for each further million", more_mb, "MB", MORE_MB)
        buy(out, range(1, DONE))
        same_s = median(first_request_s(one, out) for _ in range(rounds))
        what = f"resume of {DONE:,} done rows, nothing edited: first request"
        yield _at_most(what, same_s, "s", SAME_S)
        with one.open("a") as file:
            file.write("one-more,One more cup\n")
        what = f"resume of {DONE:,} done rows, each read again: first request"
        yield _at_most(what, first_request_s(one, out), "s", EDITED_S)


def _plan(manifest: Path, out: Path, address: str) -> Used:
    command = batchgen(
        *("run", manifest, "--provider", "aimlapi", "--limit", "1", "--quiet"),
        *("--base-url", f"{address}/link-1000-0", "--max-cost", "1000000"),
        *("--out", out),
    )
    return use(command, env=KEYS)


def _at_most(what: str, figure: float, unit: str, goal: float) -> Finding:
    return Finding(
        what=what,
        ours=f"{figure:.1f} {unit}",
        other=f"{goal:g} {unit}",
        ratio=figure / goal,
        goal=1.0,
    )
