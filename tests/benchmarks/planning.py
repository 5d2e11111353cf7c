"""Purchases a second while the plan is still being written, against those after.

Both are taken from one run: the first purchases leave while the rest of the manifest
is read, and the ledger says when the last row of it stood in the plan.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

from batchgen.errors import BatchgenError
from batchgen.ledger import Reader
from tests.benchmarks.frame import CLIENT_CORE, Finding, batchgen, pin, serving
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import KEYS

ROWS = 200_000
IN_FLIGHT = 16
LEAST_SHARE = 0.5
KIND = "link-1000-0"


def measure(rounds: int) -> Iterator[Finding]:
    """Compare the two phases of one run, in which a purchase takes no time."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        manifest = write_manifest(Path(folder) / "rows.csv", ROWS)
        pairs = []
        for number in range(rounds):
            with serving() as address:
                pairs.append(_rates(manifest, Path(folder) / f"{number}", address))
    meanwhile, after = (median(value) for value in zip(*pairs, strict=True))
    yield Finding(
        what=f"purchases a second while {ROWS:,} rows are planned",
        ours=f"{meanwhile:,.0f}",
        other=f"when they are planned {after:,.0f}",
        ratio=median(first / second for first, second in pairs),
        goal=LEAST_SHARE,
        side="at least",
    )


def _rates(manifest: Path, out: Path, address: str) -> tuple[float, float]:
    """Return purchases a second before and after the plan stood."""
    command = batchgen(
        *("run", manifest, "--provider", "aimlapi", "--out", out, "--quiet"),
        *("--base-url", f"{address}/{KIND}", "--max-cost", "1000000"),
        *("--concurrency", str(IN_FLIGHT), "--rpm", "1000000"),
    )
    process = subprocess.Popen(
        command, env={**os.environ, **KEYS}, preexec_fn=partial(pin, CLIENT_CORE)
    )
    try:
        while not _is_planned(out) and process.poll() is None:
            time.sleep(0.05)
        stood = time.monotonic()
        first = _times(address)[0]
        time.sleep(min(stood - first, 10.0))
        times = _times(address)
    finally:
        process.kill()
        process.wait()
    before = sum(time < stood for time in times) / (stood - first)
    return before, sum(time >= stood for time in times) / (times[-1] - stood)


def _is_planned(out: Path) -> bool:
    try:
        with closing(Reader(out / "run.db")) as ledger:
            return ledger.meta.plan_digest is not None
    except BatchgenError:
        return False  # it is not there yet


def _times(address: str) -> list[float]:
    with urllib.request.urlopen(f"{address}/times/{KIND}") as reply:
        times: list[float] = json.load(reply)
    return times
