"""Jobs and rows over files in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchgen.manifest import Row
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job

MakeJob = Callable[..., Job]
ReadRows = Callable[..., list[Row]]


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the temporary folder, so that messages show bare file names."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Return a maker of jobs: content (bytes, or text) of a CSV file, settings."""

    def make(content: bytes | str, name: str = "m.csv", **settings: Any) -> Job:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        job = Job(
            source=path, manifest=path, out=tmp_path / "out", providers=("aimlapi",)
        )
        return replace(job, **settings)

    return make


@pytest.fixture
def read_rows(make_job: MakeJob) -> ReadRows:
    """Return a reader of all rows of a CSV file."""

    def read(content: bytes | str, **settings: Any) -> list[Row]:
        manifest = Manifest.open(make_job(content, **settings))
        return [row for slice_ in manifest.slices(3) for row in slice_.rows]

    return read
