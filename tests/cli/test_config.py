"""`batchgen config`, and commands that take a user's own defaults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Ended, batchgen

TABLE = "id,prompt\na,a lamp\nb,a cup\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "m.csv").write_text(TABLE)
    return tmp_path


def write_defaults(folder: Path, text: str) -> None:
    path = folder / "config/batchgen/config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def rehearse(folder: Path, *options: str) -> Ended:
    return batchgen("run", "m.csv", "--rehearse", "--quiet", *options, at=folder)


def test_without_the_file_it_says_where_it_would_be(folder: Path) -> None:
    ended = batchgen("config", at=folder)

    assert ended.code == 0
    path = folder / "config/batchgen/config.toml"
    assert ended.stdout.startswith(f"{path}: not there")
    assert 'provider = "gemini"' in ended.stdout


def test_each_value_is_shown_with_its_source(folder: Path) -> None:
    write_defaults(folder, 'provider = "gemini"\n[providers.openai]\nrpm = 7.5\n')

    lines = batchgen("config", at=folder).stdout.splitlines()
    shown = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[1:]}

    assert shown["provider"].split("  ") == ["gemini", "(line 1)"]
    assert shown["providers.openai.rpm"].split("  ") == ["7.5", "(line 3)"]
    assert shown["max_attempts"].split("  ") == ["5", "(built in)"]
    assert shown["concurrency"].split("  ") == ["-", "(not set)"]


def test_json_has_the_same(folder: Path) -> None:
    write_defaults(folder, "grace = 30\n")

    document = json.loads(batchgen("config", "--json", at=folder).stdout)
    values = {value["key"]: value for value in document["values"]}

    assert document["exists"] is True
    assert values["grace"] == {
        "key": "grace",
        "value": 30,
        "source": "file",
        "line": 1,
    }
    assert values["route"]["source"] == "built in"


def test_a_run_says_what_it_takes_from_there(folder: Path) -> None:
    write_defaults(folder, 'provider = "gemini"\ngrace = 30\n')

    ended = rehearse(folder)

    assert ended.code == 0, ended.stderr
    notice = "from config/batchgen/config.toml: grace, provider gemini"
    assert notice in ended.stderr.splitlines()


def test_an_option_stands_above_and_is_not_named(folder: Path) -> None:
    write_defaults(folder, 'provider = "openai"\n')

    ended = rehearse(folder, "--provider", "gemini")

    assert ended.code == 0
    assert "config.toml" not in ended.stderr


def test_the_command_that_carries_on_names_the_provider(folder: Path) -> None:
    write_defaults(folder, 'provider = "gemini"\n')
    rehearse(folder, "--limit", "1")

    status = batchgen("status", "out/m-rehearsal", at=folder)

    assert "--provider gemini" in status.stdout


def test_other_defaults_do_not_take_over_a_run_that_has_begun(folder: Path) -> None:
    write_defaults(folder, 'provider = "gemini"\n')
    rehearse(folder, "--limit", "1")
    write_defaults(folder, 'provider = "openai"\n')

    refused = rehearse(folder)
    kept = rehearse(folder, "--provider", "gemini")

    assert refused.code == 2
    assert "was begun with --provider gemini" in refused.stderr
    assert "add --provider gemini to carry on" in refused.stderr
    assert kept.code == 0
    assert "2 succeeded" in kept.stdout


def test_edited_limits_change_no_row_of_a_run_that_is_done(folder: Path) -> None:
    rehearse(folder, "--provider", "gemini")
    write_defaults(
        folder,
        "rpm = 9\ngrace = 5\nprice = 0.9\nmax_attempts = 2\n[budget]\nper_day = 1\n",
    )

    ended = rehearse(folder, "--provider", "gemini")

    assert ended.code == 0, ended.stderr
    assert "changed" not in ended.terminal


def test_one_image_is_made_by_the_provider_of_the_defaults(folder: Path) -> None:
    write_defaults(folder, 'provider = "gemini"\n')

    ended = batchgen("try", "a lamp", "--rehearse", at=folder)

    assert ended.code == 0, ended.stderr
    (job,) = folder.glob("out/**/job.toml")
    assert 'provider = "gemini"' in job.read_text()


def test_init_proposes_the_provider_of_the_defaults(folder: Path) -> None:
    write_defaults(folder, 'provider = "foxapi"\n')

    batchgen("init", "m.csv", at=folder)

    assert 'provider = "foxapi"' in (folder / "m.toml").read_text()
