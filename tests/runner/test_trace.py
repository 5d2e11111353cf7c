"""A purchase can be followed by a reader: few files, few moves between them."""

from __future__ import annotations

import subprocess
import sys

import pytest

MAX_FILES, MAX_MOVES = 20, 43
"""19 and 39 on a quiet machine; on a busy one another task may come between."""


@pytest.mark.slow
def test_a_row_crosses_few_files_from_the_queue_to_the_transport() -> None:
    command = [sys.executable, "-m", "tests.trace_row"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)

    files, _, moves, *_ = done.stdout.splitlines()[-1].split()
    assert int(files) <= MAX_FILES
    assert int(moves.rstrip(",")) <= MAX_MOVES
