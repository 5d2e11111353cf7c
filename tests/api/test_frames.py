"""A polars frame as a manifest: its content is what the run folder belongs to."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import batchgen
from batchgen.model import to_usd
from batchgen.sandbox import SandboxProcess
from tests.api.conftest import KEYS, job_at, products


def test_the_same_frame_carries_on_and_nothing_is_bought_twice(
    sandbox: SandboxProcess,
) -> None:
    before = len(sandbox.requests())

    for _ in range(2):
        result = batchgen.run(job_at(sandbox, products(3)), keys=KEYS)

    assert result.is_complete
    assert len(sandbox.requests()) == before + 3
    kept = pl.read_parquet("out/cups/manifest.parquet")
    assert kept.equals(products(3))


@pytest.mark.parametrize(
    "other",
    [
        products(4),
        products(2),
        products(3).rename({"brand": "maker"}),
        products(3).reverse(),
        products(3).with_columns(pl.lit("x").alias("brand")),
    ],
    ids=["longer", "shorter", "renamed", "reordered", "edited"],
)
def test_another_frame_is_refused_and_changes_nothing(
    sandbox: SandboxProcess, other: pl.DataFrame
) -> None:
    batchgen.run(job_at(sandbox, products(3)), keys=KEYS)
    before = len(sandbox.requests())
    files = {path: path.read_bytes() for path in Path("out/cups").glob("*.*")}

    for call in (batchgen.check, lambda job: batchgen.run(job, keys=KEYS)):
        with pytest.raises(batchgen.LedgerMismatch, match="frame with other content"):
            call(job_at(sandbox, other))

    assert len(sandbox.requests()) == before
    assert files == {path: path.read_bytes() for path in Path("out/cups").glob("*.*")}


def test_the_ledger_lost_the_frame_stays(sandbox: SandboxProcess) -> None:
    batchgen.run(job_at(sandbox, products(3)), keys=KEYS)
    Path("out/cups/run.db").unlink()

    with pytest.raises(batchgen.LedgerMissing):
        batchgen.run(job_at(sandbox, products(3)), keys=KEYS)

    assert pl.read_parquet("out/cups/manifest.parquet").equals(products(3))


def test_a_check_writes_nothing(frame: pl.DataFrame) -> None:
    plan = batchgen.check(batchgen.Job(frame, provider="aimlapi", out="out/cups"))

    assert (plan.rows, plan.images, plan.invalid_rows, plan.unpriced_images) == (
        3,
        3,
        0,
        0,
    )
    assert 0 < plan.cost_usd <= to_usd(plan.findings.forecast.cost().highest)
    assert not Path("out").exists()


def test_a_check_tells_what_is_wrong() -> None:
    frame = pl.DataFrame({"prompt": ["a cup", None]})

    plan = batchgen.check(batchgen.Job(frame, provider="aimlapi", out="out/cups"))

    assert plan.invalid_rows == 1
    assert [problem.row for problem in plan.problems] == [1]


def test_a_frame_needs_a_run_folder(frame: pl.DataFrame) -> None:
    with pytest.raises(batchgen.SpecError, match="`out` is missing"):
        batchgen.Job(frame, provider="aimlapi")


def test_a_frame_that_cannot_be_kept_is_refused() -> None:
    frame = pl.DataFrame({"prompt": ["a cup"], "any": [object()]})

    for out in ("out/cups", 3):
        with pytest.raises(batchgen.SpecError, match=r"kept as Parquet|`out`: 3"):
            batchgen.check(batchgen.Job(frame, provider="aimlapi", out=out))  # type: ignore[arg-type]


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(batchgen.SpecError, match="`manifest`: int is neither"):
        batchgen.Job(3, provider="aimlapi", out="out/cups")  # type: ignore[arg-type]
    with pytest.raises(batchgen.SpecError, match="`manifest`: 1 is not a text"):
        batchgen.Job([1, 2], provider="aimlapi", out="out/cups")  # type: ignore[list-item]


def test_a_job_file_and_a_table_are_jobs_too(frame: pl.DataFrame) -> None:
    frame.write_csv("cups.csv")
    Path("cups.toml").write_text('manifest = "cups.csv"\nprovider = "aimlapi"\n')

    of_file = batchgen.Job.load("cups.toml", max_cost=5, limit=2)
    of_table = batchgen.Job("cups.csv", provider="aimlapi", limit=2)

    assert batchgen.check(of_file).rows == batchgen.check(of_table).rows == 2
    assert of_file.out == of_table.out == Path("out/cups").resolve()
    assert of_file.providers == ("aimlapi",)
