"""What a user may say stands in a page: keys, options, columns."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import click
import pytest

from batchgen.cli import cli
from batchgen.job.prices import PRICE_KEYS
from batchgen.job.settings import KEYS, SETTINGS, TERMS, keys_of
from batchgen.manifest import KNOWN_COLUMNS, REFERENCE_ALIASES
from batchgen.model import type_of_option
from batchgen.providers import PROVIDERS, key_variable

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DOCS = files("batchgen").joinpath("docs")
PAGES = {
    name: DOCS.joinpath(f"{name}.md").read_text("utf-8")
    for name in ("job-file", "manifest", "providers", "proof", "performance")
}


def table_cells(page: str) -> list[list[str]]:
    """Return the cells of all lines of tables, without what parts them."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [re.split(r"(?<!\\)\|", line.strip("| ")) for line in lines]


def first_cells(page: str) -> set[str]:
    """Return the words in ticks that stand in the first cells of tables."""
    return {word for row in table_cells(page) for word in re.findall("`(.+?)`", row[0])}


def options_of(command: str) -> set[str]:
    cli_command = cli.get_command(click.Context(cli), command)
    assert cli_command is not None
    return {
        option
        for parameter in cli_command.params
        if isinstance(parameter, click.Option)
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }


@pytest.mark.parametrize("key", KEYS)
def test_each_key_of_a_job_file_has_a_line_of_a_table(key: str) -> None:
    sections = {
        "budget",
        "columns",
        "expand",
        "options",
        "prices",
        "providers",
        "references",
        "notify",
    }
    words = first_cells(PAGES["job-file"])

    if key in sections:
        assert f"[{key}]" in words or f"[{key}.NAME]" in words
    else:
        assert key in words


@pytest.mark.parametrize("key", [*TERMS, *keys_of("budget")])
def test_each_key_of_a_provider_or_a_budget_has_a_line(key: str) -> None:
    assert key in first_cells(PAGES["job-file"])


@pytest.mark.parametrize("key", [*keys_of("references"), *PRICE_KEYS])
def test_keys_of_references_and_prices_are_named(key: str) -> None:
    assert re.search(rf"`{key}\b", PAGES["job-file"])


@pytest.mark.parametrize("command", ["run", "check"])
def test_each_option_stands_in_the_page_of_the_job_file(command: str) -> None:
    page = PAGES["job-file"]
    missing = {
        option
        for option in options_of(command) - {"--help"}
        if re.search(rf"`[^`]*{option}\b(?!-)[^`]*`", page) is None
    }

    assert not missing


def test_the_page_names_no_option_that_is_not_there() -> None:
    options = options_of("run") | options_of("check")

    assert set(re.findall(r"--[a-z][a-z-]*", PAGES["job-file"])) <= options


def test_each_key_names_the_option_that_says_the_same() -> None:
    rows = [
        table_cell
        for table_cell in table_cells(PAGES["job-file"])
        if len(table_cell) == 5
    ]
    flags = {
        re.findall("`(.+?)`", key)[0]: option.strip(" `")
        for key, _, _, option, _ in rows
        if "`" in key
    }

    for setting in SETTINGS.values():
        if setting.help:
            assert flags[setting.key] == setting.flag
    options = {option for option in flags.values() if option.startswith("--")}
    assert options <= options_of("run") & options_of("check")


@pytest.mark.parametrize("column", [*KNOWN_COLUMNS, *REFERENCE_ALIASES])
def test_each_known_column_stands_in_the_page_of_the_table(column: str) -> None:
    page = PAGES["manifest"]

    if column in REFERENCE_ALIASES:
        assert f"`{column}`" in page
    else:
        assert column in first_cells(page)


@pytest.mark.parametrize("option", type_of_option)
def test_each_option_column_names_the_providers_that_have_it(option: str) -> None:
    (row,) = [
        table_cell
        for table_cell in table_cells(PAGES["manifest"])
        if table_cell[0].strip() == f"`{option}`"
    ]
    capabilities = {
        provider
        for provider in PROVIDERS
        if option in PROVIDERS[provider].capabilities.options
    }

    assert set(re.findall("`(.+?)`", row[-1])) == capabilities


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_provider_stands_in_its_page_with_its_key(name: str) -> None:
    (row,) = [
        table_cell
        for table_cell in table_cells(PAGES["providers"])
        if table_cell[0].strip() == f"`{name}`"
    ]
    provider = PROVIDERS[name]
    capabilities = provider.capabilities.for_model(provider.defaults.model)

    assert row[2].strip() == f"`{key_variable(name)}`"
    assert row[4].split() == [*capabilities.resolutions]
    assert int(row[5]) == capabilities.images_per_request
    assert int(row[6].partition(",")[0]) == capabilities.references.max_count


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_pages_are_short_and_the_readme_leads_to_them(page: str) -> None:
    (name,) = [name for name, text in PAGES.items() if text is page]

    assert 40 <= len(page.splitlines()) <= 150
    assert f"(batchgen/docs/{name}.md)" in README


def test_the_readme_is_one_sitting() -> None:
    assert len(README.splitlines()) <= 150
