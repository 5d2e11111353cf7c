"""The house stays as it is drawn: who imports whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_imports_point_one_way_and_the_sandbox_stands_apart() -> None:
    code = "from importlinter.cli import lint_imports_command as lint; lint()"

    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 3 kept, 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("module", "users"),
    [
        pytest.param("sqlite3", {"ledger"}, id="only-the-ledger-holds-sql"),
        pytest.param("aiohttp", {"wire"}, id="only-the-wire-sends"),
        pytest.param("asyncio", {"wire"}, id="only-the-transport-knows-asyncio"),
        # A run is stopped by its handle; what a signal means, the command line decides.
        pytest.param("signal", {"cli"}, id="only-commands-know-signals"),
        # The manifest looks what a file is that was taken for a table.
        pytest.param("zipfile", {"manifest"}, id="nobody-rewrites-a-zip"),
        # Python code may hand in a frame as its manifest, and gets tables as frames.
        pytest.param(
            "polars",
            {"api", "manifest", "output"},
            id="polars-reads-tables-alone",
        ),
    ],
)
def test_one_thing_has_one_owner(module: str, users: set[str]) -> None:
    package = ROOT / "batchgen"
    words = (f"import {module}", f"from {module} ", f"from {module}.")

    rooms = {
        path.relative_to(package).parts[0].removesuffix(".py")
        for path in package.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if line.strip().startswith(words)
    }

    assert rooms - {"sandbox"} == users
