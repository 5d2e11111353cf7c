"""`--table`: the result table as CSV, XLSX and JSON Lines, kept up to date."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.errors import DiskFull
from batchgen.ledger import Ledger
from batchgen.runner.folder import hold_folder, open_folder
from batchgen.storage import outputs
from batchgen.storage.outputs import are_fresh, write_outputs
from tests.cli.command import KEY, Shop, batchgen, digest, table


def statuses(folder: Path) -> list[str]:
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row["status"] for row in csv.DictReader(file)]


def mark_outputs(folder: Path, state: str) -> None:
    with closing(Ledger(folder / "run.db")) as ledger, ledger.transaction():
        ledger.meta.outputs = state


def test_a_run_writes_each_format_with_the_same_rows(shop: Shop) -> None:
    shop.catalogue(3)

    ended = shop.run("m.csv", "--yes", "--quiet", "--table", "csv,xlsx,jsonl")

    folder = shop.folder / "out" / "m"
    assert ended.code == 0
    assert f"the same as {folder / 'results.xlsx'}" in ended.stdout
    assert statuses(folder) == ["succeeded"] * 3
    lines = (folder / "results.jsonl").read_text("utf-8").splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert ids == table(folder)["id"].to_list()
    assert (folder / "results.xlsx").read_bytes()[:2] == b"PK"


def test_the_folder_remembers_its_formats(shop: Shop) -> None:
    shop.catalogue(3)
    first = ("m.csv", "--yes", "--quiet", "--limit", "1", "--table", "csv")
    assert shop.run(*first).code == 0

    ended = shop.run("m.csv", "--yes", "--quiet")

    assert ended.code == 0
    assert statuses(shop.folder / "out" / "m") == ["succeeded"] * 3


def test_a_job_file_names_formats(shop: Shop) -> None:
    shop.catalogue(1)
    shop.write("job.toml", 'manifest = "m.csv"\ntable = ["jsonl"]\n')

    ended = shop.run("job.toml", "--yes", "--json")

    path = shop.folder / "out" / "job" / "results.jsonl"
    assert path.is_file()
    summary = json.loads(ended.stderr.splitlines()[-1])
    assert summary["table_copies"] == [str(path)]


def test_report_adds_formats_and_takes_them_away(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out" / "m"

    added = batchgen("report", "out/m", "--table", "csv,jsonl", at=finished_shop.folder)
    assert added.code == 0
    assert statuses(folder) == ["succeeded"] * 3
    assert (folder / "results.jsonl").is_file()

    fewer = batchgen("report", "out/m", "--table", "csv", at=finished_shop.folder)
    assert fewer.code == 0
    assert (folder / "results.csv").is_file()
    assert not (folder / "results.jsonl").exists()

    none = batchgen("report", "out/m", "--table", "parquet", at=finished_shop.folder)
    assert none.code == 0
    assert not (folder / "results.csv").exists()
    assert (folder / "results.parquet").is_file()


def test_formats_wait_while_an_older_batchgen_works(finished_shop: Shop) -> None:
    path = finished_shop.folder / "out/m/run.db"
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("PRAGMA user_version = 8")

    with hold_folder(path.parent):
        ended = batchgen("report", "out/m", "--table", "csv", at=finished_shop.folder)

    assert ended.code == 1
    assert "written by an older batchgen" in ended.message
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (8,)


def test_a_table_that_is_gone_is_written_again(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out" / "m"
    batchgen("report", "out/m", "--table", "csv", at=finished_shop.folder)
    (folder / "results.csv").unlink()
    sent = finished_shop.sent

    assert finished_shop.run("m.csv", "--yes", "--quiet").code == 0

    assert statuses(folder) == ["succeeded"] * 3
    assert finished_shop.sent == sent


def test_a_file_of_somebody_else_is_never_overwritten(shop: Shop) -> None:
    shop.write("results.csv", "id,prompt\na,a lamp\n")
    before, sent = digest(shop.folder / "results.csv"), shop.sent

    ended = shop.run("results.csv", "--out", ".", "--yes", "--table", "csv")

    assert ended.code == 1
    assert "results.csv is there already" in ended.stderr
    assert digest(shop.folder / "results.csv") == before
    assert shop.sent == sent


def test_a_link_in_the_place_of_a_table_is_refused(finished_shop: Shop) -> None:
    target = finished_shop.write("mine.csv", "mine")
    batchgen("report", "out/m", "--table", "csv", at=finished_shop.folder)
    link = finished_shop.folder / "out" / "m" / "results.csv"
    link.unlink()
    link.symlink_to(target)

    ended = batchgen("report", "out/m", at=finished_shop.folder)

    assert ended.code == 1
    assert "results.csv is a symbolic link" in ended.stderr
    assert target.read_text() == "mine"


@pytest.mark.parametrize("command", ["run", "report"])
def test_a_format_that_is_none_names_those_that_there_are(
    finished_shop: Shop, command: str
) -> None:
    source = "m.csv" if command == "run" else "out/m"
    options = finished_shop.options if command == "run" else []

    ended = batchgen(
        command, source, *options, "--table", "xls", at=finished_shop.folder
    )

    assert ended.code == 2
    assert "--table: 'xls' is no format of a table" in ended.stderr
    assert "csv, jsonl or xlsx" in ended.stderr


def test_a_copy_that_a_full_disk_kept_back_comes_with_the_next_command(
    finished_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finished_shop.folder / "out" / "m"
    batchgen("report", "out/m", "--table", "csv", at=finished_shop.folder)

    def full(*_: object) -> None:
        raise DiskFull("no space left")

    with open_folder(folder, None, None) as opened:
        with monkeypatch.context() as patch:
            patch.setattr(outputs, "write_copy", full)
            with pytest.raises(DiskFull):
                write_outputs(opened.ledger, opened.archive, folder)
        assert not are_fresh(opened.ledger, opened.archive, folder)

    assert finished_shop.run("m.csv", "--yes", "--quiet").code == 0
    with open_folder(folder, None, None) as opened:
        assert are_fresh(opened.ledger, opened.archive, folder)
    assert statuses(folder) == ["succeeded"] * 3


def test_what_a_kill_left_of_a_table_is_cleared_away(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out" / "m"
    batchgen("report", "out/m", "--table", "csv,xlsx", at=finished_shop.folder)
    (folder / "results.csv.partial").write_text("torn")
    (folder / "results.xlsx.sheets.partial").mkdir()
    (folder / "results.xlsx.sheets.partial" / "sheet").write_text("torn")
    (folder / "results.csv").write_text("old")
    mark_outputs(folder, "writing")

    assert finished_shop.run("m.csv", "--yes", "--quiet").code == 0

    assert statuses(folder) == ["succeeded"] * 3
    assert not [*folder.glob("*.partial")]


def test_report_beside_a_run_writes_all_formats(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out" / "m"
    with open_folder(folder, None, None):
        mark_outputs(folder, "stale")
        ended = batchgen("report", "out/m", "--table", "csv", at=finished_shop.folder)

    assert ended.code == 0
    assert "the run is working" in ended.stdout
    assert statuses(folder) == ["succeeded"] * 3
    assert {path.name for path in folder.glob("results.*")} == {
        "results.csv",
        "results.parquet",
    }


def test_a_rehearsal_marks_its_money_in_each_row(shop: Shop) -> None:
    shop.catalogue(2)
    words = ("--provider", "gemini", "--rehearse", "--quiet", "--table", "csv")

    ended = batchgen("run", "m.csv", *words, at=shop.folder, key=KEY)

    assert ended.code == 0
    path = shop.folder / "out" / "m-rehearsal" / "results.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert [row["rehearsed"] for row in csv.DictReader(file)] == ["true"] * 2
