"""A shop with three products, and a sandbox whose images take no time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import polars as pl
import pytest

import batchgen
from batchgen.job import Settings
from batchgen.sandbox import KEY, SandboxProcess, start_sandbox

KEYS = {"aimlapi": KEY}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIMLAPI_API_KEY", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with start_sandbox(tmp_path_factory.mktemp("sandbox"), latency=0) as running:
        yield running


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """Serve images that take three seconds each."""
    with start_sandbox(tmp_path_factory.mktemp("slow"), latency=3) as running:
        yield running


@pytest.fixture
def frame() -> pl.DataFrame:
    return products(3)


def products(count: int) -> pl.DataFrame:
    numbers = range(count)
    return pl.DataFrame(
        {
            "id": [f"sku-{number}" for number in numbers],
            "prompt": [f"a cup, number {number}" for number in numbers],
            "brand": ["Acme" if number % 2 else "Best" for number in numbers],
        }
    )


def job_at(
    sandbox: SandboxProcess, frame: pl.DataFrame, **settings: Unpack[Settings]
) -> batchgen.Job:
    """Return a job that buys in earnest, at a server of this machine."""
    stated: Settings = {
        "provider": "aimlapi",
        "base_url": sandbox.provider_url("aimlapi"),
        "out": "out/cups",
        "max_cost": 5,
        **settings,
    }
    return batchgen.Job(frame, **stated)
