"""Images whose bytes stand in a Parquet table, as data sets have them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchgen.errors import StorageError
from batchgen.manifest import Row
from batchgen.manifest.embedded import ImageStore
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job
from tests.references.pictures import noise, written

PNG, JPEG = written(noise(), "PNG"), written(noise(), "JPEG")
HF = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
LARGE = pa.struct([("bytes", pa.large_binary()), ("path", pa.large_string())])


def job_of(folder: Path, column: pa.Array, name: str = "image") -> Job:
    path = folder / "m.parquet"
    prompts = [f"row {number}" for number in range(len(column))]
    pq.write_table(pa.table({"prompt": prompts, name: column, "note": prompts}), path)
    return Job(source=path, manifest=path, out=folder / "out", providers=("aimlapi",))


def rows_of(job: Job) -> list[Row]:
    return [row for part in Manifest.open(job).slices() for row in part.rows]


def pictures(row: Row, job: Job) -> list[bytes]:
    """Return what the references of a row lead to."""
    assert row.request is not None, row.problem
    return [
        (job.images_folder / reference.removeprefix("sha256:")).read_bytes()
        for reference in row.request.references
    ]


@pytest.mark.parametrize(
    ("type_", "cells", "images"),
    [
        pytest.param(
            HF,
            [{"bytes": PNG, "path": "gone.png"}, {"bytes": JPEG, "path": None}, None],
            [[PNG], [JPEG], []],
            id="struct",
        ),
        pytest.param(
            pa.list_(HF),
            [[{"bytes": PNG}, {"bytes": JPEG}], [], [None, {"bytes": PNG}]],
            [[PNG, JPEG], [], [PNG]],
            id="list-of-structs",
        ),
        pytest.param(
            pa.large_list(LARGE), [[{"bytes": PNG}], None], [[PNG], []], id="large-list"
        ),
        pytest.param(pa.binary(), [PNG, b"", None], [[PNG], [], []], id="binary"),
        pytest.param(pa.large_binary(), [PNG, JPEG], [[PNG], [JPEG]], id="large"),
        pytest.param(pa.binary(len(PNG)), [PNG, None], [[PNG], []], id="fixed-size"),
        pytest.param(pa.list_(pa.binary()), [[PNG, JPEG]], [[PNG, JPEG]], id="list"),
        pytest.param(
            pa.list_(pa.binary(), 2), [[PNG, None]], [[PNG]], id="list-of-fixed-size"
        ),
        pytest.param(
            pa.dictionary(pa.int32(), pa.binary()),
            [PNG, PNG],
            [[PNG], [PNG]],
            id="dict",
        ),
    ],
)
def test_images_in_the_table_are_references(
    tmp_path: Path, type_: pa.DataType, cells: list[Any], images: list[list[bytes]]
) -> None:
    job = job_of(tmp_path, pa.array(cells, type_))

    rows = rows_of(job)

    assert [pictures(row, job) for row in rows] == images
    different = {image for row in images for image in row}
    assert len([*job.images_folder.iterdir()] if different else []) == len(different)


def test_where_there_are_no_bytes_the_path_counts(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    paths = ["a.png", "https://a.example/x.png", "gone.png", "https://a.example:x/"]
    cells = [{"bytes": None, "path": path} for path in paths]

    good, url, gone, bad = rows_of(job_of(tmp_path, pa.array(cells, HF)))

    assert good.request is not None
    assert good.request.references == ("a.png",)
    assert url.request is not None
    assert url.request.references == ("https://a.example/x.png",)
    assert gone.problem is not None
    assert gone.problem.message.startswith("no such file: gone.png")
    assert bad.problem is not None
    assert bad.problem.column == "image"


def test_an_image_in_the_table_is_the_same_as_a_file_of_the_same_content(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").write_bytes(JPEG)

    inside = rows_of(job_of(tmp_path, pa.array([PNG, JPEG])))
    files = rows_of(job_of(tmp_path, pa.array(["a.png", "b.png"])))

    assert [row.fingerprint for row in inside] == [row.fingerprint for row in files]
    assert inside[0].fingerprint != inside[1].fingerprint


@pytest.mark.parametrize(
    ("column", "words"),
    [
        pytest.param(
            pa.array(
                [{"width": 3, "url": "a"}],
                pa.struct({"width": pa.int64(), "url": pa.string()}),
            ),
            "a struct of width, url",
            id="struct",
        ),
        pytest.param(pa.array([[137, 80]]), "holds numbers", id="bytes-as-numbers"),
        pytest.param(
            pa.array([[f"sha256:{'a' * 64}"]]), "no http(s) URL", id="list-of-digests"
        ),
        pytest.param(
            pa.array([f"sha256:{'a' * 64}"]), "no http(s) URL", id="digest-in-a-cell"
        ),
    ],
)
def test_what_is_no_image_is_told_with_its_column(
    tmp_path: Path, column: pa.Array, words: str
) -> None:
    (row,) = rows_of(job_of(tmp_path, column))

    assert row.request is None
    assert row.problem is not None
    assert row.problem.column == "image"
    assert words in row.problem.message


def test_the_bytes_are_not_carried_to_the_result_table(tmp_path: Path) -> None:
    manifest = Manifest.open(job_of(tmp_path, pa.array([os.urandom(100_000)] * 3)))

    (part,) = manifest.slices()

    assert pl.read_ipc_stream(io.BytesIO(part.user_columns)).columns == ["note"]
    assert pl.read_ipc_stream(io.BytesIO(manifest.user_schema)).columns == ["note"]


def test_it_is_said_that_images_are_sent_as_references(tmp_path: Path) -> None:
    images = Manifest.open(job_of(tmp_path, pa.array([PNG])))
    texts = Manifest.open(job_of(tmp_path, pa.array(["a.png"])))

    assert [
        notice
        for notice in images.notices
        if "`image` are sent as references" in notice
    ]
    assert texts.notices == ()


def test_images_of_another_name_are_the_users_own(tmp_path: Path) -> None:
    manifest = Manifest.open(job_of(tmp_path, pa.array([PNG]), name="scan"))

    (part,) = manifest.slices()

    assert part.rows[0].request is not None
    assert part.rows[0].request.references == ()
    assert "scan" in pl.read_ipc_stream(io.BytesIO(part.user_columns)).columns


def test_a_plan_whose_images_are_gone_is_made_anew(tmp_path: Path) -> None:
    job = job_of(tmp_path, pa.array([PNG]))
    manifest = Manifest.open(job)
    assert not manifest.has_same_files([])

    [*manifest.slices()]

    assert manifest.has_same_files([])


def test_an_image_that_cannot_be_kept_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match="file"):
        ImageStore(tmp_path / "file").put(PNG)
