"""Kill a run at every boundary of a row's life: `python -m tests.crash.matrix`.

Each case is a run that is killed at one point, the same command again, and an audit of
ZIP, table, ledger and the sandbox's bill. The sandbox outlives both.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from batchgen.sandbox import start_sandbox
from tests.crash.audit import KillEffects
from tests.crash.ground import Ground
from tests.crash.modes import MODES, cases_of, points_of, power_cases
from tests.crash.stable import open_stable


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix")
    parser.add_argument("--mode", choices=MODES, action="append")
    parser.add_argument("--power", type=int, default=0, help="losses at each point")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crash-matrix-"))
    say = sys.stdout.write
    say(
        "| provider | points | kills | bought again | at risk | known | adopted | s |\n"
    )
    say("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
    with start_sandbox(folder / "bank", latency=0) as bank, open_stable() as stable:
        ground = Ground(bank, stable, folder)
        for name in arguments.mode or MODES:
            started, effects = time.monotonic(), KillEffects()
            for case in (*cases_of(name), *power_cases(name, range(arguments.power))):
                try:
                    effects.add(ground.survive(case))
                except AssertionError as error:
                    error.add_note(f"the case was {case!r}; it is kept in {folder}")
                    raise
            points = len(points_of(MODES[name]))
            spent = time.monotonic() - started
            say(
                f"| {name} | {points} | {effects.kills} | {effects.again} | "
                f"{effects.at_risk} | {effects.spared} | {effects.adopted} | "
                f"{spent:.0f} |\n"
            )
            sys.stdout.flush()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
