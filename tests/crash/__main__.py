"""Kill runs at every provider hundreds of times: `python -m tests.crash`.

    python -m tests.crash --provider gccai --kills 100 --seed 3 --faults storm

Prints a line of a table for each run, or fails with the law that did not hold; then
the run folder is kept.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from batchgen.sandbox import start_sandbox
from batchgen.sandbox.faults import PROFILES, Profile
from tests.crash.modes import MODES
from tests.crash.soak import Figures, Soak
from tests.crash.stable import open_stable
from tests.crash.storm import tell

HEAD = (
    *("provider", "faults", "seed", "rows", "images", "kills", "points"),
    *("rows lost", "bought again", "bought in silence", "at risk", "adopted", "s"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--provider", choices=MODES, action="append")
    parser.add_argument("--faults", choices=PROFILES, default="calm")
    arguments = parser.parse_args()
    tell(HEAD)
    tell(["---", "---", *["---:"] * (len(HEAD) - 2)])
    for seed in arguments.seed or [0]:
        for provider in arguments.provider or MODES:
            started = time.monotonic()
            figures = crash(provider, arguments.faults, arguments.kills, seed)
            took = f"{time.monotonic() - started:.0f}"
            tell([provider, arguments.faults, seed, *counted(figures), took])


def crash(provider: str, faults: Profile, kills: int, seed: int) -> Figures:
    """Kill one run, check all laws, and return the figures."""
    folder = Path(tempfile.mkdtemp(prefix=f"crash-{provider}-{seed}-"))
    bank = start_sandbox(folder / "bank", faults=faults, seed=seed, latency=0.03)
    with bank as running, open_stable() as stable:
        soak = Soak(running, stable, MODES[provider], folder / "run", kills, seed)
        try:
            figures = soak.survive()
        except AssertionError as error:
            again = f"--provider {provider} --faults {faults} --kills {kills}"
            error.add_note(f"{again} --seed {seed}; it is kept in {folder}")
            raise
    shutil.rmtree(folder)
    return figures


def counted(figures: Figures) -> list[object]:
    """Return the figures in the order of the head."""
    done = [figures.rows, figures.images, figures.kills, len(figures.at_points)]
    return [
        *done,
        figures.lost,
        figures.again,
        figures.unadmitted,
        figures.at_risk,
        figures.adopted,
    ]


if __name__ == "__main__":
    main()
