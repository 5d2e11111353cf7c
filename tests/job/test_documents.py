"""Page and schema follow from the declared settings, and agree with what is read."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from batchgen.errors import SpecError
from batchgen.job import job_from, load_job
from batchgen.job.declaration import Setting
from batchgen.job.settings import SETTINGS, TERMS
from tests.code_blocks import CodeBlock, code_blocks
from tests.job.documents import PAGE, SCHEMA, json_schema, owner_of, write_tables
from tests.job.test_job_files import ALL, HEAD, WRONG

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
JOBS = sorted((*ROOT.glob("jobs/*.toml"), *ROOT.glob("samples/tables/*.toml")))

FOLDED = {
    *("provider", "price", "prices", "providers", "usd_per_credit", "id_column"),
    "reference_columns",
}
"""Settings that become a part of a field with another name."""

BEYOND_SCHEMA = {
    *("ceiling", "no-such-folder", "folder-is-a-file", "rpm-nan", "model-of"),
    *("price-of-nobody", "endpoint-of-nobody", "cost-too-fine", "credit-twice"),
    *("credit-too-fine", "expand-from", "expand-many"),
}
"""Mistakes that no schema can tell: they concern other keys, files, or providers."""


def test_the_page_and_the_schema_are_as_the_settings_state_them() -> None:
    page = PAGE.read_text("utf-8")

    assert page == write_tables(page), "run python -m tests.job.documents"
    assert SCHEMA.read_text("utf-8") == json_schema(), "likewise"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize(
    "text",
    [ALL, *[pytest.param(path.read_text("utf-8"), id=path.name) for path in JOBS]],
)
def test_the_schema_takes_good_jobs(text: str) -> None:
    assert not [*VALIDATOR.iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("text", ['max_cost = "1e3"', 'resolution = "512PX"'])
def test_the_schema_takes_each_spelling_that_is_read(text: str, tmp_path: Path) -> None:
    file = tmp_path / "job.toml"
    file.write_text(HEAD + text)
    (tmp_path / "m.csv").write_text("prompt\na\n")

    assert not [*VALIDATOR.iter_errors(tomllib.loads(HEAD + text))]
    load_job(file)


@pytest.mark.parametrize("block", code_blocks("toml"), ids=str)
def test_the_schema_takes_the_examples_of_the_pages(block: CodeBlock) -> None:
    job = {"manifest": "m.csv", **tomllib.loads(block.text)}

    assert not [*VALIDATOR.iter_errors(job)]


@pytest.mark.parametrize(
    "toml", [entry.values[0] for entry in WRONG if entry.id not in BEYOND_SCHEMA]
)
def test_the_schema_refuses_what_the_reader_refuses(toml: str) -> None:
    assert [*VALIDATOR.iter_errors(tomllib.loads(HEAD + toml))]


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_each_example_can_be_read_and_fits_the_schema(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "products.csv").write_text("prompt\na\n")
    (tmp_path / "photos").mkdir()
    job = {"manifest": "products.csv", "provider": "gemini"}
    example = {setting.key: setting.example}

    job_from(job | {setting.name: setting.example})
    document = {setting.section: example} if setting.section else example
    assert not [*VALIDATOR.iter_errors(job | document)]


@pytest.mark.parametrize("name", TERMS)
def test_each_example_of_a_provider_can_be_read_and_fits_the_schema(
    name: str, tmp_path: Path
) -> None:
    table = {"gemini": {name: TERMS[name].example}}
    (tmp_path / "m.csv").write_text("prompt\na\n")

    load_job(tmp_path / "m.csv", provider="gemini", providers=table)
    assert not [*VALIDATOR.iter_errors({"manifest": "m.csv", "providers": table})]


@pytest.mark.parametrize(
    "setting",
    [*SETTINGS.values(), *TERMS.values()],
    ids=lambda setting: setting.name,
)
def test_each_setting_is_a_field_of_the_job(setting: Setting) -> None:
    if setting.name not in FOLDED:
        names = {field.name for field in fields(owner_of(setting))}
        assert setting.field in names


def test_a_wrong_example_is_seen(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"manifest": tmp_path / "m.csv", "n": "two"}

    with pytest.raises(SpecError, match="`n`"):
        job_from(settings)
