"""How the engine is started, and how what ends it reaches the terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.command import KEY, TIMEOUT_S, environment

INTERRUPTED = """
from batchgen.cli import main
from batchgen.runner.engine import Engine

async def interrupted(_):
    raise KeyboardInterrupt

Engine.run = interrupted
main()
"""


def test_ctrl_c_where_nobody_watches_for_signals_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,prompt\na,a cup\n")
    words = ["run", "m.csv", "--provider", "aimlapi", "--yes", "--quiet"]

    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *words],
        cwd=tmp_path,
        env=environment(KEY),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )

    assert ended.returncode == 130, ended.stderr
    assert "fault" not in ended.stderr
