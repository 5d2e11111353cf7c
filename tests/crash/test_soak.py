"""A run that is killed at random, again and again, comes to a good end.

Hundreds of kills at all providers: `python -m tests.crash`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.sandbox import start_sandbox
from batchgen.sandbox.faults import Profile
from tests.crash.modes import MODES
from tests.crash.soak import Soak
from tests.crash.stable import open_stable


@pytest.mark.parametrize(
    ("provider", "faults"), [("gccai", "calm"), ("openai", "storm")]
)
def test_a_run_killed_at_random_has_every_image_once_and_admits_its_risks(
    provider: str, faults: Profile, tmp_path: Path
) -> None:
    bank = start_sandbox(tmp_path / "bank", faults=faults, seed=5, latency=0.03)
    with bank as running, open_stable() as stable:
        soak = Soak(
            running, stable, MODES[provider], tmp_path / "run", kills=4, seed=11
        )
        figures = soak.survive()

    assert figures.kills == 4
    assert (figures.lost, figures.again, figures.unadmitted) == (0, 0, 0)
