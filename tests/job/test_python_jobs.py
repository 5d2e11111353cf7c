"""Jobs that Python code states: keywords are the settings' names."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.errors import SpecError
from batchgen.job import Settings, job_from, load_job
from batchgen.model import ReferenceTerms


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds a manifest and a job file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_text("prompt\na\n")
    (tmp_path / "j.toml").write_text(
        'manifest = "m.csv"\nprovider = "gemini"\nmax_cost = 9\nprice = 1\n'
        '[columns]\nid = "SKU"\nprompt = "Text"\n[references]\nshrink = true\n'
    )
    (tmp_path / "photos").mkdir()
    return tmp_path


def test_keywords_make_a_job_like_a_job_file(folder: Path) -> None:
    settings: Settings = {
        "manifest": Path("m.csv"),
        "provider": ["gemini", "openai"],
        "base_url": {"openai": "http://127.0.0.1:1/v1"},
        "max_cost": 5,
        "max_cost_per_day": "0.50",
        "max_cost_by": {"brand": 2},
        "reference_folder": "photos",
        "id_column": "SKU",
        "columns": {"prompt": "Text"},
        "providers": {"gemini": {"rpm": 60}},
        "grace": 5,
    }

    job = job_from(settings)

    assert (job.source, job.manifest) == (folder / "m.csv", folder / "m.csv")
    assert (job.out, job.providers) == (folder / "out" / "m", ("gemini", "openai"))
    assert job.terms_of("openai").base_url == "http://127.0.0.1:1/v1"
    assert job.terms_of("gemini").rpm == 60
    assert (job.max_cost, job.max_cost_per_day) == (Decimal(5), Decimal("0.5"))
    assert job.max_cost_by == {"brand": {"*": Decimal(2)}}
    assert job.references == ReferenceTerms(folder=folder / "photos")
    assert job.columns == {"id": "SKU", "prompt": "Text"}
    assert job.grace_s == 5.0


def test_keywords_stand_above_the_job_file(folder: Path) -> None:
    job = load_job(
        Path("j.toml"),
        max_cost=5,
        limit=20,
        id_column="code",
        reference_folder=folder / "photos",
        prices={"gemini": {"1K": 0.5}},
    )

    assert (job.max_cost, job.limit) == (Decimal(5), 20)
    assert job.columns == {"id": "code", "prompt": "Text"}
    assert job.references == ReferenceTerms(folder=folder / "photos", shrink=True)
    prices = job.terms_of("gemini").prices
    assert [price.expected for price in prices] == [Decimal("0.5"), Decimal(1)]


def test_none_is_a_setting_that_nobody_states() -> None:
    job = job_from({"manifest": "m.csv", "provider": "gemini", "max_cost": None})

    assert job.max_cost is None


def test_a_job_of_code_can_belong_to_another_source(folder: Path) -> None:
    settings = {"manifest": "m.csv", "provider": "gemini"}

    job = job_from(settings, source=folder / "shop.parquet")

    assert (job.source.name, job.out) == ("shop.parquet", folder / "out" / "shop")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_costs": 1}, "unknown setting `max_costs`: did you mean `max_cost`?"),
        ({"api_key": "sk-123"}, "`api_key`: a key stands in the environment, never in"),
        ({"providers": {"gemini": {"token": "sk-123"}}}, "`token`: a key stands in"),
        ({"max_cost": -1}, "`max_cost`: -1 is not from 0"),
        ({"max_cost_per_day": "x"}, "`max_cost_per_day`: 'x' is not an amount"),
        ({"rpm": "fast"}, "`rpm`: 'fast' is not a number"),
        ({"provider": ["fox"]}, "`provider`: unknown provider `fox`"),
        ({"provider": None}, "`provider` is missing: choose from"),
        ({"manifest": None}, "`manifest` is missing"),
        ({"manifest": "n.csv"}, "`manifest`: no such file: n.csv"),
        ({"reference_folder": "x"}, "`reference_folder`: no such folder: x"),
        ({"columns": 3}, "`columns` must be a table"),
        ({"columns": 3, "id_column": "x"}, "`columns` must be a table"),
        ({"columns": {"promt": "x"}}, "[columns]: unknown key `promt`"),
        ({"model": {"fox": "x"}}, "[model]: unknown provider `fox`"),
        ({"providers": {"gemini": {"rpm": 0}}}, "[providers.gemini], `rpm`: 0 is not"),
    ],
)
def test_a_keyword_that_cannot_be_is_named(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        job_from({"manifest": "m.csv", "provider": "gemini", **settings})

    assert str(caught.value).startswith(message)
    assert "sk-123" not in str(caught.value)


def test_a_wrong_keyword_beside_a_job_file_is_no_fault_of_the_file() -> None:
    with pytest.raises(SpecError) as caught:
        load_job(Path("j.toml"), n=0)

    assert str(caught.value) == "`n`: 0 is not from 1 to 1,000"


def test_the_table_of_code_stands_above_that_of_the_file(folder: Path) -> None:
    (folder / "m.csv").rename(folder / "other.csv")

    assert load_job(Path("j.toml"), manifest="other.csv").manifest.name == "other.csv"
    with pytest.raises(SpecError, match=r"^`manifest`: no such file: third.csv"):
        load_job(Path("j.toml"), manifest="third.csv")
