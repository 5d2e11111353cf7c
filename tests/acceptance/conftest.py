"""Batches to be driven: rehearsed, at a bank of their own, or ended already."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.acceptance.batch import Batch, product_rows

CHEAPEST = {"aimlapi": "1K", "foxapi": "512"}
FOXAPI_PRICE = "0.0415"
KEY = "sk-0a1b2c3d4e5f60718293a4b5"


def rehearsal(folder: Path, provider: str, *options: str) -> Batch:
    """Return a batch of small images that take no time."""
    small = ("--resolution", CHEAPEST[provider], "--latency", "0.02")
    words = ("--provider", provider, *small, "--rehearse", "--quiet", *options)
    return Batch(folder=folder, options=words)


def customer(folder: Path, bank: SandboxProcess, provider: str, *more: str) -> Batch:
    """Return a batch that is bought for real, though not with real money."""
    price = ("--price", FOXAPI_PRICE) if provider == "foxapi" else ()
    there = ("--base-url", bank.provider_url(provider))
    small = ("--resolution", CHEAPEST[provider], *price)
    words = ("--provider", provider, *there, *small, "--yes", "--quiet", *more)
    return with_key(Batch(folder=folder, options=words), KEY)


def with_key(batch: Batch, key: str) -> Batch:
    """Return the same batch with another key in its environment."""
    keys = {"AIMLAPI_API_KEY": key, "FOXAPI_API_KEY": key}
    return Batch(folder=batch.folder, options=batch.options, keys=keys)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[SandboxProcess]:
    """A sandbox that is no rehearsal's own, so that a test can tell it what to do."""
    with start_sandbox(tmp_path / "bank", latency=0.02) as running:
        yield running


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Ten rows that were bought; to be copied, not to be used."""
    batch = rehearsal(tmp_path_factory.mktemp("template"), "aimlapi")
    batch.write(product_rows(range(10)))
    ended = batch.run()
    assert ended.code == 0, ended
    return batch


@pytest.fixture
def finished_batch(template: Batch, tmp_path: Path) -> Batch:
    """Ten rows that were bought, in a folder of the test's own."""
    folder = tmp_path / "moved"
    shutil.copytree(template.folder, folder)
    return Batch(folder=folder, options=template.options)
