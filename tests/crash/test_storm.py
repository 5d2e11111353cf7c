"""In a storm each row comes to an end, and both sides' books agree.

Two thousand rows at each provider: `python -m tests.crash.storm`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.modes import MODES
from tests.crash.storm import weather


@pytest.mark.parametrize(
    ("provider", "met"),
    [
        pytest.param("gccai", {"lost_reply"}, id="by-tasks"),
        pytest.param("gemini", {"lost_reply", "cut_body"}, id="inline"),
    ],
)
def test_every_row_of_a_storm_has_an_end_and_both_books_agree(
    provider: str, met: set[str], tmp_path: Path
) -> None:
    report = weather(tmp_path, MODES[provider], rows=30, seed=3)

    assert met <= report.met.keys()
