"""Images in a Parquet table, from `check` to the request that carries them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batchgen.checks.dry_run import ALL_ROWS, check_job
from batchgen.job import load_job
from batchgen.manifest.embedded import ImageStore
from batchgen.model import Status
from batchgen.providers import PROVIDERS
from batchgen.runner.access import prices_of
from tests.cli.command import batchgen
from tests.references.pictures import noise, written

PNG, JPEG = written(noise(), "PNG"), written(noise(), "JPEG")
ROWS = [
    {"bytes": PNG, "path": None},
    {"bytes": JPEG, "path": "gone.jpg"},
    {"bytes": b"<html>", "path": None},
    {"bytes": None, "path": None},
]


def write(folder: Path, images: list[Any]) -> None:
    ids = [f"row-{number}" for number in range(len(images))]
    table = pl.DataFrame({"id": ids, "prompt": ids, "image": images}, strict=False)
    table.write_parquet(folder / "m.parquet")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_images_in_a_table_reach_every_provider(tmp_path: Path, provider: str) -> None:
    write(tmp_path, ROWS)
    command = ("m.parquet", "--provider", provider)

    address = f"{provider}=https://a.example"
    checked = batchgen("check", *command, "--base-url", address, at=tmp_path)
    left = [path.name for path in tmp_path.iterdir()]
    ended = batchgen("run", *command, "--rehearse", at=tmp_path)

    assert checked.code == ended.code == 3, ended
    assert left == ["m.parquet"]
    assert "column `image`: the image" in checked.stdout
    assert "no usable image (an HTML page)" in checked.stdout
    out = tmp_path / "out" / "m-rehearsal"
    table = pl.read_parquet(out / "results.parquet")
    assert table["status"].to_list() == [*["succeeded"] * 2, "invalid", "succeeded"]
    assert "image" not in table.columns
    assert PNG not in (out / "run.db").read_bytes()


def test_files_in_the_place_of_such_images_are_not_bought_again(tmp_path: Path) -> None:
    write(tmp_path, ROWS[:2])
    command = ("run", "m.parquet", "--provider", "openai", "--rehearse")
    assert batchgen(*command, at=tmp_path).code == 0
    before = pl.read_parquet(next(tmp_path.rglob("results.parquet")))

    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.jpg").write_bytes(JPEG)
    write(tmp_path, ["a.png", "b.jpg"])
    ended = batchgen(*command, at=tmp_path)

    assert ended.code == 0, ended
    after = pl.read_parquet(next(tmp_path.rglob("results.parquet")))
    assert after["attempts"].to_list() == [1, 1]
    assert after["request_id"].to_list() == before["request_id"].to_list()


def test_the_curl_command_of_such_a_row_holds_the_image(tmp_path: Path) -> None:
    write(tmp_path, ROWS[:2])

    words = ("m.parquet", "--provider", "gemini", "--row", "1")
    ended = batchgen("curl", *words, at=tmp_path)

    assert ended.code == 0, ended
    assert base64.b64encode(JPEG).decode() in "".join(ended.stdout.split())
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]


def test_a_look_at_a_table_takes_no_room_for_all_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("batchgen.manifest.parquet_source.SLICE_BYTES", len(PNG))
    rows = [written(noise(), "PNG") + bytes(number) for number in range(8)]
    write(tmp_path, rows)
    held: list[int] = []
    keep = ImageStore.put

    def put(store: ImageStore, data: bytes) -> str:
        reference = keep(store, data)
        held.append(len([*store._folder.iterdir()]))
        return reference

    monkeypatch.setattr(ImageStore, "put", put)
    source = Path("m.parquet")
    job = load_job(source, provider="openai")

    findings = check_job(job, PROVIDERS, prices_of(job), ALL_ROWS)

    assert findings.totals.rows[Status.PENDING] == len(rows)
    assert (len(held), max(held)) == (8, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]


def test_images_are_taken_out_again_where_their_folder_is_gone(tmp_path: Path) -> None:
    write(tmp_path, ROWS[:1])
    command = ("run", "m.parquet", "--provider", "openai", "--rehearse")
    assert batchgen(*command, at=tmp_path).code == 0
    folder = next(tmp_path.rglob("references"))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

    ended = batchgen(*command, at=tmp_path)

    assert ended.code == 0, ended
    assert len([*folder.iterdir()]) == 1
