"""What of the suite can be tried without the packages that it needs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import venv
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.interop.environment import PACKAGES, ROOT, VARIABLE, child_environment
from tests.interop.findings import Failed, Finding, NotTried, run_check, show
from tests.interop.purchases import Bought, expect_law_of_money
from tests.interop.servers import GUARD

SERVER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"


def run_suite(folder: Path | None) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name != VARIABLE
    }
    if folder is not None:
        environment[VARIABLE] = str(folder)
    return subprocess.run(
        [sys.executable, "-m", "tests.interop"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_an_environment_it_says_how_to_make_one_and_ends_with_2() -> None:
    ended = run_suite(None)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert VARIABLE in ended.stderr
    assert "pip install" in ended.stderr
    for package in PACKAGES.values():
        assert f"'{package}'" in ended.stderr


def test_an_environment_without_the_packages_is_told_which_are_missing(
    tmp_path: Path,
) -> None:
    venv.create(tmp_path / "bare", with_pip=False)

    ended = run_suite(tmp_path / "bare")

    assert ended.returncode == 2
    [missing] = [line for line in ended.stderr.splitlines() if "missing in" in line]
    assert all(name in missing for name in PACKAGES)
    assert f"{tmp_path / 'bare'}/bin/python -m pip install" in ended.stderr


def test_a_folder_that_is_no_environment_ends_with_2(tmp_path: Path) -> None:
    ended = run_suite(tmp_path)

    assert ended.returncode == 2
    assert "no virtual environment" in ended.stderr


def test_children_get_no_key_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "FAL_KEY", "HTTPS_PROXY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "something")

    variables = child_environment(OPENAI_API_KEY="sk-given")

    assert variables["OPENAI_API_KEY"] == "sk-given"
    assert not variables.keys() & {"FAL_KEY", "HTTPS_PROXY", "OPENAI_BASE_URL"}
    assert variables["BATCHGEN_LOOPBACK_ONLY"] == "1"


def test_a_server_ends_when_whoever_started_it_is_gone() -> None:
    with subprocess.Popen(
        [sys.executable, "-P", GUARD, sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as guard:
        assert guard.stdin is not None
        assert guard.stdout is not None
        server = int(guard.stdout.readline())
        os.kill(server, 0)

        try:
            # The end of its input is all that the guard learns of a kill -9.
            guard.stdin.close()

            # The pipe is at its end once nobody holds it: the server is gone, too.
            assert guard.stdout.read() == ""
        finally:
            guard.kill()
            with suppress(ProcessLookupError):
                os.kill(server, signal.SIGKILL)


def test_each_finding_is_one_line_and_a_failure_is_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise Failed("two\nlines")

    def break_off() -> None:
        raise ZeroDivisionError

    def leave_out() -> None:
        raise NotTried("no port")

    good = run_check("good", lambda: None)
    assert show([good, run_check("left out", leave_out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        *("ok   good", "skip left out: no port"),
        "1 passed, 0 failed, 1 skipped",
    ]
    assert show([good, run_check("bad", fail), run_check("odd", break_off)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["ok   good", "FAIL bad: two | lines"]
    assert lines[2].startswith("FAIL odd: ")
    assert "ZeroDivisionError" in lines[2]
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("billed", "is_lawful"),
    [("0.09", False), ("0.10", True), ("0.15", True), ("0.16", False)],
)
def test_the_law_of_money_has_two_sides(billed: str, *, is_lawful: bool) -> None:
    row: dict[str, Any] = {
        "cost_usd": Decimal("0.10"),
        "at_risk_usd": Decimal("0.05"),
        "status": "failed",
    }
    bought = Bought(code=3, messages="", folder=Path(), rows=[row])

    finding = run_check("law", lambda: expect_law_of_money(bought, Decimal(billed)))

    assert isinstance(finding, Finding)
    assert (not finding.problem) == is_lawful
