"""Ctrl-C while a million rows are read: how long until the process has ended.

Each stop is one of the same folder, so that each run carries on what the one before it
left. Then a row more is in the table, and all of them are looked up and read again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from batchgen.errors import BatchgenError
from batchgen.ledger import Reader
from batchgen.ledger.resuming import bookmark_of
from tests.benchmarks.frame import CLIENT_CORE, Finding, batchgen, pin, serving
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import KEYS

ROWS = 1_000_000
MAX_S = 3.0


def measure(rounds: int) -> Iterator[Finding]:
    """Stop one reading after another; each stop is one, whatever the rounds."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, serving() as address:
        manifest = write_manifest(Path(folder) / "rows.csv", ROWS)
        out = Path(folder) / "out"
        start = partial(_start, manifest, out, address)
        moments: dict[str, Callable[[], bool]] = {
            "just begun": lambda: (out / "run.log").exists(),
            "100,000 rows are read": partial(_has_read, out, ROWS // 10),
            "600,000 rows are read": partial(_has_read, out, ROWS * 6 // 10),
        }
        for name, moment in moments.items():
            yield _finding(f"first reading, {name}", _stop(start(), moment))
        began = time.monotonic()
        process = start()
        _wait(process, partial(_has_read, out, ROWS * 7 // 10))
        yield Finding(
            what="a reading is carried on: 100,000 more of 1,000,000 rows",
            ours=f"{time.monotonic() - began:.1f} s",
            other="",
            ratio=time.monotonic() - began,
        )
        process.wait()
        with manifest.open("a") as file:
            file.write("one-more,One more cup\n")
        started = time.monotonic()
        moments = {
            "rows are looked up": lambda: time.monotonic() - started > 4.0,
            "100,000 rows are read": partial(_has_read, out, ROWS // 10),
            "600,000 rows are read": partial(_has_read, out, ROWS * 6 // 10),
        }
        for name, moment in moments.items():
            started = time.monotonic()
            yield _finding(f"edited table, {name}", _stop(start(), moment))


def _finding(what: str, took_s: float) -> Finding:
    return Finding(
        what=f"Ctrl-C: {what}: the process ends",
        ours=f"{took_s:.1f} s",
        other=f"{MAX_S:g} s",
        ratio=took_s / MAX_S,
        goal=1.0,
    )


def _start(manifest: Path, out: Path, address: str) -> subprocess.Popen[bytes]:
    command = batchgen(
        *("run", manifest, "--provider", "aimlapi", "--limit", "1", "--quiet"),
        *("--base-url", f"{address}/link-1000-0", "--max-cost", "1000000"),
        *("--out", out),
    )
    return subprocess.Popen(
        command, env={**os.environ, **KEYS}, preexec_fn=partial(pin, CLIENT_CORE)
    )


def _stop(process: subprocess.Popen[bytes], moment: Callable[[], bool]) -> float:
    """Return the seconds from the signal to the process's end."""
    _wait(process, moment)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait()
    return time.monotonic() - sent


def _wait(process: subprocess.Popen[bytes], moment: Callable[[], bool]) -> None:
    while not moment():
        if process.poll() is not None:
            raise SystemExit(f"it ended by {process.returncode} before it was stopped")
        time.sleep(0.05)


def _has_read(out: Path, rows: int) -> bool:
    try:
        with closing(Reader(out / "run.db")) as ledger:
            bookmark = bookmark_of(ledger)
    except BatchgenError:
        return False  # it is not there yet
    return bookmark is not None and bookmark.rows >= rows
