"""`python -m tests.benchmarks.container`: 200 rows of 15 MB in 1 GB, every fourth cut.

The run goes into a control group of its own, with the limit that a container has; the
kernel kills what takes more, and the pages of the archive that wait for the disk count,
too. Needs the right to make such a group: as a rule, root. The server stays outside of
it and keeps its own bill, which is compared with the run's.
"""

from __future__ import annotations

import json
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import polars as pl

from tests.benchmarks.frame import MEGABYTE, batchgen, serving, use
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import KEYS
from tests.law import money_problems

ROWS, IN_FLIGHT, LIMIT_BYTES = 200, 64, 1_000_000_000
SALE = "inline-15000000-0-cut4"
MOUNTED = Path("/sys/fs/cgroup")
NAME = "batchgen-container"
JOINS = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


def main() -> int:
    """Run, say how it went, and return whether it did not go well."""
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as place,
        serving() as server,
        container() as group,
    ):
        manifest = write_manifest(Path(place) / "rows.csv", ROWS)
        out = Path(place) / "out"
        command = batchgen(
            *("run", manifest, "--provider", "gemini", "--base-url"),
            *(f"{server}/{SALE}", "--yes", "--quiet", "--rpm", "100000"),
            *("--concurrency", str(IN_FLIGHT), "--out", out),
        )
        usage = use(
            ["sh", "-c", JOINS, str(group), *command],
            core=None,
            env=KEYS,
            allowed=(0, 3, -9, 137),
        )
        with urllib.request.urlopen(f"{server}/times/{SALE}") as answer:
            purchases = len(json.load(answer))
        kills = _kills(group)
        problems = list(_problems(out, purchases, kills))
    sys.stdout.write(
        f"{ROWS} rows of 15 MB, every fourth reply cut, {LIMIT_BYTES // MEGABYTE} MB "
        f"allowed: {usage.wall_s:.0f} s, peak {usage.rss_mb:.0f} MB, "
        f"{purchases} bought\n" + "".join(f"{problem}\n" for problem in problems)
    )
    return int(bool(problems))


def _problems(out: Path, bought: int, kills: int) -> Iterator[str]:
    if kills or not (out / "results.parquet").exists():
        yield f"the kernel killed {kills} processes; the run did not end by itself"
        return
    rows = pl.read_parquet(out / "results.parquet")
    attempts = pl.read_parquet(out / "attempts.parquet")
    for status, count in rows["status"].value_counts().rows():
        sys.stdout.write(f"{count} {status}\n")
    if odd := {*rows["status"]} - {"succeeded", "held"}:
        yield f"rows ended as {', '.join(sorted(odd))}"
    spent = sum(attempts["cost_usd"].drop_nulls(), Decimal(0))
    at_risk = sum(rows["at_risk_usd"], Decimal(0))
    bill = bought * max(attempts["cost_usd"].drop_nulls())
    sys.stdout.write(f"spent ${spent}, bill ${bill}, at risk ${at_risk}\n")
    yield from money_problems(spent, bill, at_risk)


@contextmanager
def container() -> Iterator[Path]:
    """Make a control group with the limit; yield its folder."""
    is_old = (MOUNTED / "memory").is_dir()
    group = (MOUNTED / "memory" if is_old else MOUNTED) / NAME
    limit = "memory.limit_in_bytes" if is_old else "memory.max"
    try:
        group.mkdir(exist_ok=True)
        (group / limit).write_text(f"{LIMIT_BYTES}")
    except OSError as error:
        raise SystemExit(f"no control group can be made here: {error}") from error
    try:
        yield group
    finally:
        group.rmdir()


def _kills(group: Path) -> int:
    """Return how often the kernel has killed within a group."""
    for name in ("memory.oom_control", "memory.events"):
        if (group / name).exists():
            pairs = (line.split() for line in (group / name).open())
            return int(dict(pairs)["oom_kill"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
