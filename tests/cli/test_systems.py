"""Where batchgen does not run, it says so at once, and says where it does."""

from __future__ import annotations

import subprocess
import sys


def test_windows_is_told_of_wsl_before_anything_is_loaded() -> None:
    # click has code of its own for Windows, so it is loaded before.
    code = "import click, sys; sys.platform = 'win32'; import batchgen.cli"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert ended.returncode == 1
    assert "wsl --install" in ended.stderr
    assert "Traceback" not in ended.stderr
