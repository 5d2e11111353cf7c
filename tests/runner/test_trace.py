"""A purchase can be followed by a reader: few files, few moves between them."""

from __future__ import annotations

import subprocess
import sys

import pytest

MAX_FILES, MAX_MOVES = 20, 43
"""19 and 39 on a quiet machine."""

TRACES = 3
"""On a busy machine another task may come between, which only adds to a trace."""


@pytest.mark.slow
def test_a_row_crosses_few_files_from_the_queue_to_the_transport() -> None:
    assert any(_is_short(_trace()) for _ in range(TRACES))


def _is_short(last_line: str) -> bool:
    files, _, moves, *_ = last_line.split()
    return int(files) <= MAX_FILES and int(moves.rstrip(",")) <= MAX_MOVES


def _trace() -> str:
    command = [sys.executable, "-m", "tests.trace_row"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]
