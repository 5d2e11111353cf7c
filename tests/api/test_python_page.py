"""Every example of the page on Python runs as it stands there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import batchgen
from batchgen.cli.help import read_pages
from tests.code_blocks import CodeBlock, code_blocks

BLOCKS = code_blocks("python", page="python.md")


def test_the_page_has_examples_in_an_asyncio_loop_and_of_a_provider() -> None:
    text = "".join(block.text for block in BLOCKS)

    assert len(BLOCKS) >= 3
    assert "asyncio.run(" in text
    assert "batchgen.add_provider(" in text


@pytest.mark.parametrize("name", batchgen.__all__)
def test_each_public_name_stands_on_the_page(name: str) -> None:
    assert f"`{name}`" in read_pages()["python"]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_each_example_runs(block: CodeBlock, tmp_path: Path) -> None:
    pl.DataFrame(
        {
            "id": ["sku-1", "sku-2", "sku-3"],
            "title": ["red cup", "blue cup", "green jug"],
            "brand": ["Acme", "Acme", "Best"],
        }
    ).write_csv(tmp_path / "products.csv")

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text],
        cwd=tmp_path,
        env={**os.environ, "BATCHGEN_LOOPBACK_ONLY": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr
