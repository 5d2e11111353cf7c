"""The user's own defaults: the lowest layer, and only what disturbs no run."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.errors import SpecError
from batchgen.job import load_job, load_job_with_options
from batchgen.job.settings import SETTINGS
from batchgen.job.user_defaults import allowed_keys, defaults_path, line_of
from batchgen.model import Job

PAGE = Path(__file__).parents[2] / "batchgen/docs/config.md"
DEFAULTS = """\
provider = "gemini,openai"
rpm = 60
price = 0.5
grace = 30

[budget]
per_day = 20

[providers.openai]
rpm = 7
concurrency = 3

[prices.openai]
"1K" = 0.05
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "m.csv").write_text("prompt\na\n")
    return tmp_path


def write_defaults(text: str) -> None:
    path = defaults_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def load(toml: str = "", **options: object) -> Job:
    Path("j.toml").write_text(f'manifest = "m.csv"\n{toml}')
    return load_job_with_options(Path("j.toml"), options)


def test_without_the_file_nothing_is_added() -> None:
    job = load('provider = "gemini"')

    assert (job.from_defaults, job.grace_s) == ((), 60.0)


def test_defaults_hold_where_job_and_options_say_nothing() -> None:
    write_defaults(DEFAULTS)

    job = load()

    assert job.providers == ("gemini", "openai")
    assert job.terms["gemini"].rpm == 60
    assert job.terms["openai"].rpm == 7
    assert (job.grace_s, job.max_cost_per_day) == (30.0, Decimal(20))
    assert [price.expected for price in job.terms["openai"].prices] == [
        Decimal("0.05"),
        Decimal("0.5"),
    ]
    assert set(job.from_defaults) == {
        *("provider", "rpm", "price", "grace_s", "max_cost_per_day"),
        *("providers", "prices"),
    }


def test_the_job_stands_above_the_defaults_and_options_above_both() -> None:
    write_defaults(DEFAULTS)
    toml = 'provider = "openai"\nrpm = 5\nprice = 0.2\ngrace = 10\n'

    job = load(toml, grace=1.0)

    assert job.providers == ("openai",)
    assert job.terms["openai"].rpm == 5
    assert job.terms["openai"].concurrency == 3
    assert [price.expected for price in job.terms["openai"].prices] == [Decimal("0.2")]
    assert job.grace_s == 1.0
    assert "provider" not in job.from_defaults


def test_python_code_does_not_read_the_file() -> None:
    write_defaults("grace = 30\n")

    assert load_job(Path("m.csv"), provider="gemini").grace_s == 60.0


def test_a_price_names_the_file_that_states_it() -> None:
    write_defaults(DEFAULTS)

    assert load().terms["gemini"].prices[0].page == "config/batchgen/config.toml"


def test_the_file_stands_in_the_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    for relative in ("", "not/absolute"):
        monkeypatch.setenv("XDG_CONFIG_HOME", relative)
        assert defaults_path() == Path("/home/ann/.config/batchgen/config.toml")


def test_a_user_without_a_home_has_no_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)

    assert load('provider = "gemini"').from_defaults == ()


def test_a_file_that_is_a_folder_or_leads_nowhere_is_refused(folder: Path) -> None:
    path = defaults_path()
    path.parent.mkdir(parents=True)
    path.symlink_to("nowhere.toml")

    with pytest.raises(SpecError, match="XDG_CONFIG_HOME"):
        load('provider = "gemini"')


def test_a_folder_of_somebody_else_is_not_ours(folder: Path) -> None:
    (folder / "config").write_text("a file")

    assert load('provider = "gemini"').from_defaults == ()


def test_an_empty_file_adds_nothing() -> None:
    write_defaults("\n  \n")

    assert load('provider = "gemini"').from_defaults == ()


@pytest.mark.parametrize(
    "name", [name for name, setting in SETTINGS.items() if not setting.user_default]
)
def test_what_belongs_to_a_job_is_refused_with_its_line(name: str) -> None:
    setting = SETTINGS[name]
    head = f"[{setting.section}]\n" if setting.section else ""
    write_defaults(f"# mine\n{head}{setting.key} = 1\n")

    with pytest.raises(SpecError) as caught:
        load('provider = "gemini"')

    assert str(caught.value).startswith("config/batchgen/config.toml, line ")


@pytest.mark.parametrize(
    "name", ["model", "aspect_ratio", "resolution", "n", "options"]
)
def test_nothing_that_a_row_is_known_by_can_stand_there(name: str) -> None:
    """An edit of it would make every row of an old run another one."""
    assert not SETTINGS[name].user_default


def test_consent_to_spend_cannot_stand_there() -> None:
    assert not SETTINGS["max_cost"].user_default


def test_the_page_names_what_may_stand_there_and_what_may_not() -> None:
    page = PAGE.read_text("utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    may = {word for row in rows for word in re.findall(r"`\[?([a-z_]+)", row[1])}
    may_not = {word for row in rows for word in re.findall(r"`\[?([a-z_]+)", row[2])}

    allowed = {*allowed_keys(""), *allowed_keys("budget")}
    assert may >= allowed
    assert not may_not & allowed - {"budget"}


@pytest.mark.parametrize(
    ("key", "section", "line"),
    [
        ("rpm", "", 1),
        ("rpm", "providers.openai", 5),
        ("per_day", "budget", 3),
        ("", "budget", 2),
        ("budget", "", 2),
        ("1K", "prices.openai", 7),
        ("grace", "", None),
    ],
)
def test_a_key_is_found_in_its_own_section(
    key: str, section: str, line: int | None
) -> None:
    text = (
        "rpm = 1\n[budget] # mine\nper_day=2\n[providers.'openai']\n  rpm = 3\n"
        '[prices.openai]\n"1K" = 0.1\n'
    )

    assert line_of(text, key, section) == line
