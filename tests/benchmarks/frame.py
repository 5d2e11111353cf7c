"""How every benchmark measures: processes of their own, in turns, pinned, medians.

A figure of one machine on one day means nothing; a ratio of two candidates that took
turns in the same minutes does. So a case yields findings, and a finding is a ratio.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# What is installed has its bytecode; a process that may not write it would compile the
# whole package each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

CLIENT_CORE, SERVER_CORE = 0, 1
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one process took, start and end included.

    Attributes:
        cpu_s: User and system time of all its threads.
        rss_mb: Its peak, in MB of 10^6 bytes.
        written_bytes: What the system counts as written to disks; 0 for tmpfs.
        document: The object in the last line that it printed, if that is one.
    """

    wall_s: float
    cpu_s: float
    rss_mb: float
    written_bytes: int
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the table: ours against what it is compared with.

    Attributes:
        ratio: Ours divided by the other, or whatever the goal limits.
        goal: None for what is shown and has no target.
    """

    what: str
    ours: str
    other: str
    ratio: float
    goal: float | None = None
    side: Literal["at most", "at least"] = "at most"

    @property
    def is_met(self) -> bool | None:
        """Whether the ratio is on the goal's good side; None without a goal."""
        if self.goal is None:
            return None
        if self.side == "at most":
            return self.ratio <= self.goal
        return self.ratio >= self.goal


def pin(core: int) -> None:
    """Keep this process on one core, where the platform allows it and has two."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


def raise_file_limit() -> None:
    """Allow as many open sockets as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def use(
    command: Sequence[str],
    *,
    core: int | None = CLIENT_CORE,
    env: Mapping[str, str] | None = None,
    allowed: Sequence[int] = (0,),
) -> Used:
    """Run a command to its end and return what it took.

    Args:
        command: Program and arguments.
        core: That it is pinned to; None for all.
        env: Added to this process's environment.
        allowed: Exit codes; a process that is ended by another raises.
    """

    def prepare() -> None:
        raise_file_limit()
        if core is not None:
            pin(core)

    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            preexec_fn=prepare,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode()
    if process.returncode not in allowed:
        raise SystemExit(f"{' '.join(command)}: {process.returncode}\n{text}")
    return Used(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        rss_mb=usage.ru_maxrss * 1024 / MEGABYTE,
        written_bytes=usage.ru_oublock * 512,
        document=_last_object(text),
    )


def _last_object(text: str) -> Mapping[str, Any]:
    last = text.rstrip().rpartition("\n")[2]
    document: dict[str, Any] = json.loads(last) if last.startswith("{") else {}
    return document


def take_turns(
    candidates: Mapping[str, Callable[[], Used]], rounds: int
) -> dict[str, list[Used]]:
    """Let each candidate run once a round, so that a slow minute is slow for all."""
    taken: dict[str, list[Used]] = {name: [] for name in candidates}
    for number in range(rounds):
        for name, run in candidates.items():
            taken[name].append(run())
            sys.stderr.write(f"  round {number + 1}: {name} {taken[name][-1]}\n")
    return taken


def median(runs: Sequence[Used], of: Callable[[Used], float]) -> float:
    """Return the median of a figure over rounds."""
    return statistics.median(of(run) for run in runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Each:
    """What one row takes."""

    wall_s: float
    cpu_s: float


def whole(runs: Sequence[Used], rows: int) -> Each:
    """Return what a row takes, the process's start and end included."""
    return Each(
        wall_s=median(runs, lambda entry: entry.wall_s) / rows,
        cpu_s=median(runs, lambda entry: entry.cpu_s) / rows,
    )


def steady(few: Sequence[Used], many: Sequence[Used], more_rows: int) -> Each:
    """Return what a row takes once a run is under way: by how much more takes more."""
    short, long = whole(few, more_rows), whole(many, more_rows)
    return Each(wall_s=long.wall_s - short.wall_s, cpu_s=long.cpu_s - short.cpu_s)


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """Run the fast server on its own core; yield its address without a slash."""
    command = [sys.executable, "-m", "tests.benchmarks.server", *options]

    def prepare() -> None:
        raise_file_limit()
        pin(SERVER_CORE)

    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    ) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def batchgen(*arguments: str | Path) -> list[str]:
    """Return the command line of batchgen under this interpreter."""
    return [sys.executable, "-m", "batchgen", *map(str, arguments)]
