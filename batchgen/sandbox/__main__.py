"""Run the sandbox as a process: `python -m batchgen.sandbox --state DIR`."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from pathlib import Path

from batchgen.open_files import raise_limit
from batchgen.sandbox.faults import PROFILES
from batchgen.sandbox.sandbox_context import Latency
from batchgen.sandbox.server import Options, PortTaken, run


def main() -> int:
    """Serve until a signal; one JSON line on stdout says that the sandbox is ready."""
    arguments = _parser().parse_args()
    options = Options(
        state=arguments.state,
        port=arguments.port,
        faults=arguments.faults,
        seed=arguments.seed,
        latency=arguments.latency,
        with_parent=arguments.die_with_parent,
    )
    raise_limit()  # each connection of a run takes a file in this process, too
    try:
        run(options, _say_ready)
    except PortTaken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except sqlite3.DatabaseError as error:
        sys.stderr.write(
            f"its state cannot be used ({error}): delete the folder "
            f"{arguments.state}, or rehearse in another --out\n"
        )
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m batchgen.sandbox")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR")
    parser.add_argument("--port", type=int)
    parser.add_argument("--faults", choices=PROFILES, default="calm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=_latency, metavar="real|SECONDS")
    parser.add_argument("--die-with-parent", action="store_true")
    return parser


def _latency(text: str) -> Latency:
    if text == "real":
        return "real"
    seconds = float(text)
    if not 0 <= seconds < 86_400:
        raise ValueError(text)
    return seconds


def _say_ready(port: int) -> None:
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
