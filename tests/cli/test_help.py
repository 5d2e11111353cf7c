"""`batchgen help`: the pages, in a terminal and elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from batchgen.cli.help import read_pages
from tests.cli.command import batchgen
from tests.cli.terminal import terminal

PAGES = read_pages()


def test_without_a_topic_the_pages_are_listed_with_their_titles(tmp_path: Path) -> None:
    ended = batchgen("help", at=tmp_path)

    assert ended.code == 0
    lines = ended.stdout.splitlines()[2:]
    assert [line.split()[0] for line in lines] == [*PAGES]
    titles = [text.splitlines()[0].removeprefix("# ") for text in PAGES.values()]
    assert [line.split(maxsplit=1)[1] for line in lines] == titles


@pytest.mark.parametrize("word", ["money", "MONEY", "money.md"])
def test_a_page_that_goes_elsewhere_stays_as_it_is(word: str, tmp_path: Path) -> None:
    ended = batchgen("help", word, at=tmp_path)

    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout == PAGES["money"]


def test_the_schema_of_job_files_is_a_topic(tmp_path: Path) -> None:
    ended = batchgen("help", "schema", at=tmp_path)

    assert (ended.code, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["required"] == ["manifest"]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("mony", "did you mean batchgen help money?"),
        ("recover", "did you mean batchgen help recovery or batchgen recover -h?"),
        ("run", "did you mean batchgen run -h?"),
        ("cost_usd", "batchgen help results"),
        ("qqq", "choose from adding-providers, architecture, config"),
    ],
)
def test_a_wrong_topic_is_told_with_the_way_out(
    word: str, hint: str, tmp_path: Path
) -> None:
    ended = batchgen("help", word, at=tmp_path)

    assert ended.code == 2
    assert f"no page '{word}': " in ended.message
    assert hint in ended.message


@pytest.mark.parametrize("columns", [50, 90])
def test_in_a_terminal_a_page_fits_its_width_in_the_users_pager(
    columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho it is paged\nexec cat\n")
    pager.chmod(0o755)
    monkeypatch.setenv("PAGER", os.fspath(pager))
    monkeypatch.delenv("COLUMNS", raising=False)  # it would stand above the terminal

    with terminal("help", "money", at=tmp_path, columns=columns) as shown:
        assert shown.wait() == 0

    first, *lines = shown.shown.replace("\r", "").splitlines()
    assert first == "it is paged"
    assert columns - 15 < max(map(len, lines)) <= columns
    assert "spent <= bill <= spent + at risk" in shown.shown
    assert "\x1b" not in shown.shown
    assert "| ---" not in shown.shown


def test_a_list_that_fits_into_the_terminal_needs_no_pager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", "false")

    with terminal("help", at=tmp_path) as shown:
        assert shown.wait() == 0

    assert "glossary" in shown.shown
