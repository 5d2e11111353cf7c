"""What a run leaves is read by the programs that people have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl

from tests.acceptance.batch import Batch, product_rows
from tests.acceptance.conftest import rehearsal

# In a process of its own: it takes seconds to import, and has caches and settings.
_IMAGEFOLDER = """
import json, sys
from datasets import load_dataset
loaded = load_dataset("imagefolder", data_files={"train": sys.argv[1]}, split="train")
print(json.dumps([
    [it["id"], it["prompt"], it["image_number"],
     it["image"].info["prompt"], it["image"].size]
    for it in loaded
]))
"""


def test_the_zip_loads_as_an_imagefolder_offline_with_its_prompts(
    tmp_path: Path,
) -> None:
    batch = rehearsal(tmp_path, "foxapi", "--n", "2", "--aspect-ratio", "2:3")
    rows = [
        {**row, "filename": f"shelf {number}/cup.jpg"}
        for number, row in enumerate(product_rows(range(3)))
    ]
    batch.write(rows)
    ended = batch.run()
    assert ended.code == 0, ended
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}

    loaded = subprocess.run(
        [sys.executable, "-c", _IMAGEFOLDER, str(batch.archive)],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout) == [
        [row["id"], row["prompt"], number, row["prompt"], [424, 632]]
        for row in rows
        for number in (1, 2)
    ]


def test_polars_pandas_and_duckdb_read_the_same_decimals(finished_batch: Batch) -> None:
    columns = ["cost_usd", "at_risk_usd", "estimated_usd"]
    table = str(finished_batch.table)

    polars = pl.read_parquet(table).select(columns).rows()
    pandas = pd.read_parquet(table)[columns]
    with duckdb.connect() as duck_database:
        query = f"SELECT {', '.join(columns)} FROM '{table}'"
        duck = duck_database.execute(query).fetchall()

    assert all(type(amount) is Decimal for row in polars for amount in row)
    assert [tuple(row) for row in pandas.itertuples(index=False)] == polars
    assert duck == polars
    assert len(set(polars)) > 1
