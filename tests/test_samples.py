from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from batchgen.job import load_job
from batchgen.manifest import REFERENCE_ALIASES, Row
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job, PriceKey, find_price
from batchgen.providers import PROVIDERS

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
CATALOG = SAMPLES / "catalog.csv"
TWIN = SAMPLES / "catalog.parquet"
JOBS = sorted((ROOT / "jobs").glob("*.toml"))


def cells() -> list[dict[str, str]]:
    with CATALOG.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def job_for(source: Path) -> Job:
    return (
        load_job(source)
        if source.suffix == ".toml"
        else load_job(source, provider="aimlapi")
    )


def rows_of(job: Job) -> list[Row]:
    return [row for part in Manifest.open(job).slices() for row in part.rows]


@pytest.mark.parametrize(
    "source", [*JOBS, CATALOG, TWIN], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_row_of_every_sample_can_be_bought(source: Path) -> None:
    job = job_for(source)
    providers = [PROVIDERS[name] for name in job.providers]

    rows = rows_of(job)

    assert len(rows) >= 200
    for row in rows:
        assert row.problem is None, (row.id, row.problem)
        assert row.request is not None
        for provider in providers:
            assert list(provider.capabilities.unsupported(row.request)) == [], row.id


def test_all_jobs_are_there() -> None:
    names = ["catalog.toml", "cheapest.toml", "overnight.toml"]
    assert [path.name for path in JOBS] == names


def test_the_catalogue_job_renders_its_template_over_the_shops_columns() -> None:
    job = job_for(ROOT / "jobs" / "catalog.toml")
    boot = next(row for row in rows_of(job) if row.id == "TB-1077-02")

    assert boot.prompt is not None
    assert "black leather Chelsea boots" in boot.prompt
    assert "category: footwear" in boot.prompt
    assert "black, waxed full-grain leather" in boot.prompt
    assert "{" not in boot.prompt


def test_no_prompt_is_sent_with_a_line_that_its_template_left_open() -> None:
    job = job_for(ROOT / "jobs" / "catalog.toml")

    for row in rows_of(job):
        assert row.prompt is not None
        assert ": ." not in row.prompt, row.id
        assert ", ." not in row.prompt, row.id


@pytest.mark.parametrize("source", [CATALOG, ROOT / "jobs" / "catalog.toml"])
def test_one_prompt_stands_twice_under_different_ids(source: Path) -> None:
    rows = rows_of(job_for(source))

    times = Counter(row.prompt for row in rows)
    twice = [row.id for row in rows if times[row.prompt] > 1]
    assert twice == ["YL-008-01", "YL-008-01-B"]
    assert len({row.id for row in rows}) == len(rows)
    assert len({row.fingerprint for row in rows}) == len(rows) - 1


def test_the_overnight_job_has_a_budget_a_pace_and_a_price_for_every_row() -> None:
    job = job_for(ROOT / "jobs" / "overnight.toml")
    terms = job.terms_of("foxapi")

    assert job.max_cost == Decimal(30)
    assert job.on_unknown == "hold"
    assert terms.rpm == 20
    for row in rows_of(job):
        assert row.request is not None
        assert row.request.resolution is not None
        price_key = PriceKey("foxapi", row.request.resolution)
        assert find_price(terms.prices, price_key) is not None


def test_the_catalogue_holds_what_spoils_a_careless_reader() -> None:
    text = CATALOG.read_bytes().decode("utf-8")
    values = [value for row in cells() for value in row.values()]

    assert '""' in text
    assert "\r" not in text
    assert any("," in value for value in values)
    assert any("\n" in value for value in values)
    assert any("é" in value for value in values)
    assert any("\u4e00" <= letter <= "\u9fff" for value in values for letter in value)
    assert any(row["id"] == "004201" for row in cells())
    assert any("\n" in row["prompt"] for row in cells())


def test_the_catalogue_costs_little_to_try() -> None:
    rows = cells()

    resolutions = Counter(row["resolution"] for row in rows)
    assert set(resolutions) == {"", "1K", "2K", "4K"}
    assert resolutions["4K"] == 2
    assert resolutions["2K"] < 10
    assert Counter(row["n"] for row in rows)["2"] == len(
        [row for row in rows if row["n"]]
    )


def test_no_own_column_is_taken_for_a_reference() -> None:
    assert not set(cells()[0]) & {"references", *REFERENCE_ALIASES}


def test_the_parquet_twin_says_what_the_csv_says() -> None:
    twin = pl.read_parquet(TWIN)

    assert twin.schema["n"] == pl.Int64
    assert twin.schema["tags"] == pl.List(pl.String)
    assert twin.schema["price_eur"] == pl.Decimal(10, 2)
    as_text = twin.with_columns(
        pl.col("n", "price_eur").cast(pl.String), pl.col("tags").list.join("|")
    )
    assert as_text.fill_null("").rows(named=True) == cells()


def test_a_job_asks_the_same_of_the_twin_as_of_the_csv() -> None:
    of_csv, of_twin = rows_of(job_for(CATALOG)), rows_of(job_for(TWIN))

    assert [row.fingerprint for row in of_csv] == [row.fingerprint for row in of_twin]


def test_every_sketch_that_is_named_is_there_small_and_opens() -> None:
    named = {row["reference_sketch"] for row in cells() if row["reference_sketch"]}
    there = {f"references/{path.name}" for path in SAMPLES.glob("references/*.png")}

    assert named == there
    for name in named:
        path = SAMPLES / name
        assert path.stat().st_size < 60_000
        with Image.open(path) as image:
            image.load()
            assert image.size == (512, 512)
