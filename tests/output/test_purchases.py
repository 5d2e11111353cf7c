"""`attempts.parquet` as accounting reads it, in three readers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from batchgen.model import Basis, PurchaseRow, State
from batchgen.output.purchase_table import write_purchases

MOMENT = datetime(2026, 11, 20, 21, 59, 59, 123456, tzinfo=UTC)
USD = Decimal("0.092500001")

BOUGHT = PurchaseRow(
    row=7,
    id="00123",
    attempt=2,
    attempt_id=12,
    sent_at=MOMENT,
    accepted_at=None,
    ended_at=MOMENT,
    provider="aimlapi",
    model="google/nano-banana-2",
    resolution="1K",
    images=1,
    state=State.STORED,
    request_id="call-1",
    task_id=None,
    cost_usd=USD,
    cost_basis=Basis.REPORTED,
    at_risk_usd=Decimal(0),
    expected_usd=USD,
    ceiling_usd=USD,
    error=None,
    message=None,
    retired=False,
)
UNKNOWN = replace(
    BOUGHT, row=None, cost_usd=None, cost_basis=Basis.UNKNOWN, at_risk_usd=USD
)


def test_three_readers_read_the_same_and_amounts_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "attempts.parquet"

    write_purchases(path, [[BOUGHT, UNKNOWN], [BOUGHT]])

    read = pl.read_parquet(path)
    assert read.schema["cost_usd"] == pl.Decimal(18, 9)
    assert read.schema["sent_at"] == pl.Datetime("us", "UTC")
    assert read.rows(named=True)[1]["cost_usd"] is None
    assert read["cost_usd"].sum() == 2 * USD
    assert sum(pd.read_parquet(path)["cost_usd"].dropna()) == 2 * USD
    total = duckdb.sql(f"SELECT sum(cost_usd) FROM '{path}'")
    assert total is not None
    assert total.fetchall() == [(2 * USD,)]
    assert set(PurchaseRow.__slots__) == set(read.columns)


def test_a_run_that_sent_nothing_has_an_empty_table_with_all_columns(
    tmp_path: Path,
) -> None:
    path = tmp_path / "attempts.parquet"

    write_purchases(path, [])

    assert pl.read_parquet(path).is_empty()
    assert set(pl.read_parquet(path).columns) == set(PurchaseRow.__slots__)


def test_memory_holds_a_row_group_however_many_purchases_there_are(
    tmp_path: Path,
) -> None:
    path = tmp_path / "attempts.parquet"

    write_purchases(path, ([BOUGHT] * 4096 for _ in range(12)))

    assert pq.ParquetFile(path).metadata.num_row_groups == 3
