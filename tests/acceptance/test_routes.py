"""A mixed catalogue over three providers: what `check` says, and what it comes to."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from batchgen.sandbox import SandboxProcess
from tests.acceptance.batch import Batch

PROVIDERS = ("aimlapi", "gemini", "nanobananaapi")
"""By their own lists gemini is the cheapest, and alone knows `auto`; nanobananaapi
alone makes 512. What gemini charges varies with the tokens of each request."""


@pytest.fixture
def batch(bank: SandboxProcess, tmp_path: Path) -> Batch:
    keys = {f"{name.upper()}_API_KEY": "sk-0a1b2c3d4e5f60718293" for name in PROVIDERS}
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "sketch.png")
    (tmp_path / "job.toml").write_text("\n".join(job_lines(bank)))
    batch = Batch(folder=tmp_path, options=(), keys=keys)
    kinds = product(("1:1", "auto"), ("1K", "2K", "512"), ("", "sketch.png"), (1, 2))
    batch.write(
        [
            {
                "id": f"r{number}",
                "prompt": f"Product {number} on a table",
                "aspect_ratio": ratio,
                "resolution": size,
                "references": sketch,
                "n": n,
            }
            for number, (ratio, size, sketch, n) in enumerate(kinds)
            if (ratio, size) != ("auto", "512")  # nobody makes that
        ]
    )
    return batch


def job_lines(bank: SandboxProcess) -> list[str]:
    """Return a job at the sandbox, as at real providers, with their own prices."""
    lines = ['manifest = "catalog.csv"', f"provider = {list(PROVIDERS)}"]
    lines += ['out = "out"', "max_cost = 100", "[base_url]"]
    return lines + [f'{name} = "{bank.provider_url(name)}"' for name in PROVIDERS]


def checked(batch: Batch) -> dict[str, Any]:
    """Return what `check` says, amounts as exact decimals."""
    ended = batch.call("check", "job.toml", "--json")
    assert ended.code == 0, ended
    document: dict[str, Any] = json.loads(ended.stdout, parse_float=Decimal)
    return document


def test_it_costs_less_than_at_any_one_and_what_was_said(
    batch: Batch, bank: SandboxProcess
) -> None:
    plan = checked(batch)

    ended = batch.call("run", "job.toml", "--quiet")

    assert ended.code == 0, ended
    alone = {offer["provider"]: offer for offer in plan["alone"]}
    assert set(alone) == set(PROVIDERS)
    assert [alone[provider]["rows"] for provider in PROVIDERS] == [8, 16, 12]
    for name in ("aimlapi", "nanobananaapi"):
        assert alone[name]["routed_usd"] < alone[name]["alone_usd"]
    table = pl.read_parquet(batch.table)
    made_by = set(table.select("provider", "resolution", "aspect_ratio").iter_rows())
    assert made_by == {
        *product(("gemini",), ("1K", "2K"), ("1:1", "auto")),
        ("nanobananaapi", "512", "1:1"),
    }
    spent = sum(table["cost_usd"])
    assert Decimal(bank.bill()["total_nano_usd"]).scaleb(-9) == spent
    assert spent != plan["to_buy"]["expected_usd"], "the charges vary"
    lowest, highest = (plan["to_buy"][f"{name}_usd"] for name in ("lowest", "highest"))
    assert lowest <= spent <= highest
    assert checked(batch)["to_buy"]["images"] == 0
