"""How long a command takes to start: `--help`, and `run` to its first request."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from tests.benchmarks.frame import (
    CLIENT_CORE,
    Finding,
    batchgen,
    pin,
    take_turns,
    use,
)
from tests.benchmarks.frame import median as median_of
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import KEYS

ALTERNATIONS = 10
ROWS = {1: None, 1_000: None, 1_000_000: 2.0}
"""Rows of a manifest, and the seconds until the first request that are the target."""


def measure(rounds: int) -> Iterator[Finding]:
    """Compare `--help` with a bare import of click; time first requests."""
    click = [sys.executable, "-c", "import click"]
    turns = take_turns(
        {
            "batchgen --help": partial(use, batchgen("--help")),
            "import click": partial(use, click),
        },
        max(rounds, ALTERNATIONS),
    )
    ours, other = (
        median_of(value, lambda used: used.wall_s) for value in turns.values()
    )
    yield Finding(
        what="batchgen --help",
        ours=f"{ours * 1e3:.0f} ms",
        other=f"python -c 'import click' {other * 1e3:.0f} ms",
        ratio=ours / other,
        goal=3.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        for rows, most_s in ROWS.items():
            manifest = write_manifest(Path(folder) / f"{rows}.csv", rows)
            first_s = median(first_ever_s(manifest) for _ in range(rounds))
            yield Finding(
                what=f"run of {rows:,} rows of CSV, a budget given: first request",
                ours=f"{first_s:.2f} s",
                other="the start of the process",
                ratio=first_s,
                goal=most_s,
            )


def first_ever_s(manifest: Path) -> float:
    """Run a manifest in a new folder until something is sent."""
    with tempfile.TemporaryDirectory() as folder:
        return first_request_s(manifest, Path(folder) / "out")


def first_request_s(manifest: Path, out: Path) -> float:
    """Return the seconds until something is sent; the run is killed then."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(300)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = batchgen(
            *("run", manifest, "--provider", "aimlapi", "--base-url", url),
            *("--max-cost", "1000000", "--quiet", "--out", out),
        )
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env={**os.environ, **KEYS}, preexec_fn=partial(pin, CLIENT_CORE)
        )
        try:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
            return time.perf_counter() - began
        finally:
            process.kill()
            process.wait()
