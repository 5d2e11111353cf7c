"""`python -m tests.benchmarks [CASE ...]`: every target, as a ratio of one run.

Prints a table in Markdown; `--json FILE` writes the same for programs. Each case is
a module beside this one with `measure(rounds)`. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.frame import Finding

CASES = (
    *("startup", "small", "inline", "flight", "images", "disk", "million", "ending"),
    *("broken", "planning", "stopping", "schedule", "rate", "peers"),
)
PACKAGES = ("aiohttp", "anyio", "httpx", "polars", "pyarrow", "pybase64")


def main(arguments: Sequence[str]) -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the findings there, too")
    options = parser.parse_args(arguments)
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    findings: list[Finding] = []
    for name in options.cases or CASES:
        sys.stderr.write(f"{name}\n")
        case = importlib.import_module(f"tests.benchmarks.{name}")
        findings += case.measure(options.rounds)
    sys.stdout.write("\n".join(table(findings)) + "\n")
    if options.json is not None:
        document = {
            "machine": machine(),
            "findings": [asdict(finding) for finding in findings],
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return int(any(finding.is_met is False for finding in findings))


def machine() -> dict[str, str]:
    """Say what it was measured on, and when."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    } | {package: version(package) for package in PACKAGES}


def table(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield ", ".join(f"{name} {value}" for name, value in machine().items())
    yield ""
    yield "| what | batchgen | against | ratio | target | met |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    words = {True: "yes", False: "no", None: ""}
    for finding in findings:
        goal = "" if finding.goal is None else f"{finding.side} {finding.goal:g}"
        yield (
            f"| {finding.what} | {finding.ours} | {finding.other} "
            f"| {finding.ratio:.2f} "
            f"| {goal} | {words[finding.is_met]} |"
        )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
