"""Colours and motion are for terminals that want them; stdout holds results alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import batchgen
from tests.cli.terminal import terminal

RUN = ("run", "m.csv", "--provider", "gemini", "--rehearse")
PLAIN = [{"NO_COLOR": "1"}, {"TERM": "dumb"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.csv").write_text("id,prompt\na,a lamp\nb,a cup\n")
    return tmp_path


def shown_by(
    *words: str, at: Path, variables: dict[str, str] | None = None
) -> tuple[int, str]:
    with terminal(*words, at=at, variables=variables) as screen:
        code = screen.wait()
        return code, screen.shown


def test_a_terminal_gets_a_bar_that_moves(folder: Path) -> None:
    code, shown = shown_by(*RUN, "--latency", "1", at=folder)

    assert code == 0, shown
    assert "\x1b[" in shown


@pytest.mark.parametrize("variables", PLAIN, ids=["no-colour", "dumb"])
def test_a_terminal_that_wants_neither_gets_plain_lines(
    folder: Path, variables: dict[str, str]
) -> None:
    code, shown = shown_by(*RUN, "--latency", "1", at=folder, variables=variables)

    assert code == 0, shown
    assert "\x1b" not in shown
    assert "running: 0 of 2 rows" in shown


@pytest.mark.parametrize(
    "words",
    [("providers",), ("providers", "gemini"), ("costs", "out/m-rehearsal"), ("help",)],
    ids=lambda words: "-".join(words).replace("/", "-"),
)
def test_no_command_colours_what_it_shows_there(
    folder: Path, words: tuple[str, ...]
) -> None:
    assert batchgen(*RUN, "--quiet", at=folder).code == 0

    code, shown = shown_by(*words, at=folder, variables={"NO_COLOR": "1"})
    piped = batchgen(*words, at=folder)

    assert (code, piped.code) == (0, 0)
    assert "\x1b[3" not in shown  # a colour of the foreground
    assert "\x1b" not in piped.terminal


def test_a_pipe_gets_results_alone(folder: Path) -> None:
    ended = batchgen(*RUN, at=folder)

    assert "\x1b" not in ended.terminal
    assert ended.stdout.startswith("2 rows: 2 succeeded\n")
    assert "running" not in ended.stdout
    assert "running" in ended.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("check", "n.csv"),
        ("status", "nowhere"),
        ("init", "n.csv"),
        ("config", "--yes"),
        ("help", "qqq"),
    ],
    ids=lambda words: words[0],
)
def test_what_is_wrong_never_stands_on_stdout(
    folder: Path, words: tuple[str, ...]
) -> None:
    ended = batchgen(*words, at=folder)

    assert ended.code != 0
    assert ended.stdout == ""
