"""Run batchgen until it passes a point, and kill it there, or count what it passes.

python -m tests.crash.at sent-after-commit 3 -- run catalog.csv --rehearse ...
python -m tests.crash.at --count counts.json -- run catalog.csv ...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from batchgen.cli import main as run_batchgen
from tests.crash.points import POINTS, Passings, hurry, install


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.at")
    parser.add_argument("point", nargs="?", choices=POINTS)
    parser.add_argument("nth", nargs="?", type=int, default=1)
    parser.add_argument("--count", type=Path)
    own, behind = _parted(sys.argv[1:])
    arguments = parser.parse_args(own)
    run_at(arguments.point, arguments.nth, arguments.count, behind)


def run_at(
    point: str | None, nth: int, count: Path | None, arguments: list[str]
) -> None:
    """Run a command of batchgen to its end, or to the point; it ends in SystemExit."""
    passings = Passings(point, nth)
    install(passings)
    hurry()
    sys.argv = ["batchgen", *arguments]
    try:
        run_batchgen()
    finally:
        if count is not None:
            passings.write(count)


def _parted(words: list[str]) -> tuple[list[str], list[str]]:
    at = words.index("--")
    return words[:at], words[at + 1 :]


if __name__ == "__main__":
    main()
