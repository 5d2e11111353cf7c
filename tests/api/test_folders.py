"""Run folders seen from Python code: at rest, and while a run works on them."""

from __future__ import annotations

import zipfile
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import batchgen
from batchgen import Folder, RunProgress, Status
from batchgen.runner.folder import open_folder
from batchgen.sandbox import SandboxProcess
from tests.api.conftest import KEYS, job_at, products


@pytest.fixture
def folder(sandbox: SandboxProcess) -> Folder:
    batchgen.run(job_at(sandbox, products(3)), keys=KEYS)
    return batchgen.open("out/cups")


def test_the_tables_are_frames(folder: Folder) -> None:
    results, attempts = folder.results(), folder.attempts()

    assert results["id"].to_list() == ["sku-0", "sku-1", "sku-2"]
    assert results["brand"].to_list() == ["Best", "Acme", "Best"]
    assert attempts.height == 3
    assert results["cost_usd"].sum() == folder.status.spent_usd > 0
    assert folder.status.rows == {Status.SUCCEEDED: 3}


def test_an_image_is_saved(folder: Folder) -> None:
    image = folder.image("sku-1")

    path = image.save("cup.png")

    with zipfile.ZipFile("out/cups/images.zip") as archive:
        assert path.read_bytes() == image.content == archive.read(image.name)
    assert image.media_type == "image/png"
    assert folder.row("sku-1").files[0].sha256 == image.sha256


@pytest.mark.parametrize(("row_id", "number"), [("sku-9", 1), ("sku-1", 2)])
def test_an_image_that_is_not_there_is_an_error(
    folder: Folder, row_id: str, number: int
) -> None:
    with pytest.raises(batchgen.SpecError, match=row_id):
        folder.image(row_id, number)


def test_costs_are_added_up_by_any_column(folder: Folder) -> None:
    by_brand = folder.costs("brand")

    assert set(by_brand["brand"]) == {"Best", "Acme"}
    assert by_brand["cost_usd"].sum() == folder.status.spent_usd
    assert folder.costs().height == 1
    assert folder.costs(["brand", "day"]).columns[:2] == ["brand", "day"]
    with pytest.raises(batchgen.SpecError, match="no column 'maker'"):
        folder.costs(by="maker")


def test_rows_are_tried_again(folder: Folder, sandbox: SandboxProcess) -> None:
    before = len(sandbox.requests())

    assert folder.retry() == 0
    assert folder.retry(status="succeeded", ids=["sku-2"]) == 1
    assert folder.status.rows == {Status.SUCCEEDED: 2, Status.PENDING: 1}
    assert batchgen.run(job_at(sandbox, products(3)), keys=KEYS).is_complete
    assert len(sandbox.requests()) == before + 1


def test_what_was_paid_for_is_given_up_row_by_row_alone(folder: Folder) -> None:
    with pytest.raises(batchgen.UsageError, match="say which by `ids`"):
        folder.retry(status="succeeded")
    with pytest.raises(batchgen.UsageError, match="no status 'done'"):
        folder.retry(status="done")
    with pytest.raises(batchgen.UsageError, match="no row has the id 'sku-9'"):
        folder.retry(ids=["sku-9"])


def test_a_folder_is_read_while_a_run_works_on_it(slow: SandboxProcess) -> None:
    tables: list[int] = []
    running: list[bool] = []

    def look(progress: RunProgress) -> None:
        if progress.in_flight:
            folder = batchgen.open("out/cups")
            tables.append(folder.results().height)
            running.append(folder.status.is_running)
            with pytest.raises(batchgen.LedgerLocked):
                folder.retry(status="failed")

    result = batchgen.run(job_at(slow, products(3)), keys=KEYS, on_progress=look)

    assert result.is_complete
    assert set(tables) == {3}
    assert all(running)


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(batchgen.SpecError, match="holds no run"):
        batchgen.open(tmp_path)


def test_money_of_a_rehearsal_is_marked() -> None:
    job = batchgen.Job(products(2), provider="aimlapi", out="out/cups")

    folder = batchgen.run(job, rehearse=True, latency=0).folder

    assert folder.status.is_rehearsal
    assert folder.costs()["rehearsed"].to_list() == [True]
    assert folder.costs()["cost_usd"].sum() > Decimal(0)


def test_outputs_and_page_are_written_anew(folder: Folder) -> None:
    table = folder.path / "results.parquet"
    table.unlink()

    outputs = folder.write_outputs()
    page = folder.write_page()

    assert outputs == batchgen.Outputs()
    assert folder.results().equals(pl.read_parquet(table))
    assert "sku-1" in page.read_text("utf-8")


def test_a_run_that_works_on_the_folder_finishes_the_zip_itself(folder: Folder) -> None:
    folder.retry(status="succeeded", ids=["sku-1"])
    table = folder.path / "results.parquet"
    table.unlink()

    with open_folder(folder.path, None, None):
        outputs = folder.write_outputs()

    assert outputs == batchgen.Outputs(is_running=True)
    statuses = pl.read_parquet(table)["status"].to_list()
    assert statuses == ["succeeded", "pending", "succeeded"]


def test_images_are_unpacked_into_files(folder: Folder) -> None:
    unpacked = folder.unpack(by="brand", where="brand = 'Best'")

    paths = sorted(folder.path.glob("images/Best/*"))
    assert unpacked.images == 2
    assert [path.read_bytes() for path in paths] == [
        folder.image("sku-0").content,
        folder.image("sku-2").content,
    ]
    assert folder.unpack().images == 3
    assert folder.unpack().images_there == 3
    with pytest.raises(batchgen.SpecError, match="no column `maker`"):
        folder.unpack(by="maker")


def test_contact_sheets_are_drawn(folder: Folder) -> None:
    sheets = folder.contact_sheets(by="brand")

    assert (sheets.pages, sheets.images, sheets.undrawn) == (1, 3, 0)
    assert (folder.path / "contact" / "contact-001.png").is_file()
    with pytest.raises(batchgen.UsageError, match="choose png or pdf"):
        folder.contact_sheets(sheet_format="jpg")  # type: ignore[arg-type]
    with pytest.raises(batchgen.UsageError, match="choose 1 to 12"):
        folder.contact_sheets(per_row=0)
