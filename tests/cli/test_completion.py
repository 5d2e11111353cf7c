"""A shell completes what is typed, as the page on the terminal says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from tests.cli.command import environment

PAGE = files("batchgen").joinpath("docs/terminal.md").read_text("utf-8")
PROGRAM = f"""\
#!{sys.executable}
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from batchgen.cli import main
main()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a program `batchgen`, as an installation makes it."""
    path = tmp_path / "bin" / "batchgen"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    path.chmod(0o755)
    return path


def completions(program: Path, typed: str) -> list[str]:
    """Return what could stand in place of the last word, as bash asks for it."""
    ended = subprocess.run(
        [program],
        env={
            **environment(None),
            "_BATCHGEN_COMPLETE": "bash_complete",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(typed.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return [line.partition(",")[2] for line in ended.stdout.splitlines()]


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("batchgen re", "retry"),
        ("batchgen run m.csv --max-c", "--max-cost"),
        ("batchgen run m.csv --route ", "cheapest"),
        ("batchgen run m.csv --provider ge", "gemini"),
        ("batchgen run m.csv --provider gemini,op", "gemini,openai"),
        ("batchgen help ma", "manifest"),
    ],
)
def test_words_are_completed(program: Path, typed: str, word: str) -> None:
    assert word in completions(program, typed)


def lines_of_page() -> dict[str, str]:
    """Return the line that each shell is given, by the name of the shell."""
    rows = re.findall(r"^\| (bash|zsh|fish)[^|]* \| `(.+?)` \| `", PAGE, re.MULTILINE)
    return {shell: line.replace("\\|", "|") for shell, line in rows}


def test_the_line_for_bash_teaches_bash(program: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    script = f"{lines_of_page()['bash']}\ncomplete -p batchgen\n"

    ended = subprocess.run(
        [bash, "--norc", "-c", script],
        env={
            **environment(None),
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("complete ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_for_each_shell_asks_for_its_own_script(
    program: Path, shell: str
) -> None:
    line = lines_of_page()[shell]
    assert f"_BATCHGEN_COMPLETE={shell}_source batchgen" in line

    ended = subprocess.run(
        [program],
        env={**environment(None), "_BATCHGEN_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"_BATCHGEN_COMPLETE={shell}_complete" in ended.stdout
