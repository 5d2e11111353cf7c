"""A file that may not grow ends a run before money, not after it."""

from __future__ import annotations

import resource
from pathlib import Path

import polars as pl
import pytest

from tests.scarce.runs import (
    assert_all_kept,
    command,
    limited,
    server,
    words_for,
    write_manifest,
)

ROWS = 12
NO_LIMIT = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limit_bytes", "max_bought"),
    [pytest.param(300_000, 0, id="nothing"), pytest.param(9_600_000, 8, id="some")],
)
def test_a_run_ends_before_its_zip_may_not_grow_and_carries_on(
    tmp_path: Path, limit_bytes: int, max_bought: int
) -> None:
    write_manifest(tmp_path, ROWS)
    with server(0.0) as shop:
        words = words_for("apiai", shop.url, 4)
        few = limited(resource.RLIMIT_FSIZE, limit_bytes, NO_LIMIT)
        ended = command(*words, at=tmp_path, limit=few)
        purchases = shop.bill().purchases

        assert ended.code == 1
        assert min(max_bought, 1) <= purchases <= max_bought
        assert "images.zip: it may not grow beyond the system's limit" in ended.stderr
        assert "`ulimit -f unlimited`" in ended.stderr
        rows = pl.read_parquet(tmp_path / "out/m/results.parquet")
        assert (rows["status"] == "succeeded").sum() == purchases
        assert sum(rows["at_risk_attempts"]) == 0

        wide = limited(resource.RLIMIT_FSIZE, NO_LIMIT)
        assert command(*words, at=tmp_path, limit=wide).code == 0
        assert_all_kept(tmp_path, shop.bill(), ROWS)
