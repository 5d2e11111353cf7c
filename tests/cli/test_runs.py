"""`batchgen runs`: every run folder, its state, and real money apart from pretend."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

import batchgen as module
from batchgen.runner.folder import open_folder
from tests.cli.command import Shop, batchgen


@pytest.fixture
def several(shop: Shop) -> Shop:
    """Return a shop with a finished run, a stopped one and a rehearsal."""
    shop.catalogue(2)
    assert shop.run("m.csv", "--yes", "--quiet").code == 0
    stopped = ("--yes", "--quiet", "--limit", "1", "--out", "out/shoots/stopped")
    assert shop.run("m.csv", *stopped).code == 0
    rehearsal = ("run", "m.csv", "--provider", "gemini", "--rehearse", "--quiet")
    assert batchgen(*rehearsal, at=shop.folder).code == 0
    for age, name in enumerate(("m", "shoots/stopped", "m-rehearsal")):
        log = shop.folder / "out" / name / "run.log"
        changed = log.stat().st_mtime - 3600 * (age + 1)
        os.utime(log, (changed, changed))
    return shop


def test_each_folder_has_its_state_money_and_command(several: Shop) -> None:
    ended = batchgen("runs", "--json", at=several.folder)

    document = json.loads(ended.stdout, parse_float=Decimal)
    finished, stopped, rehearsal = document["runs"]
    assert [run["folder"] for run in document["runs"]] == [
        "out/m",
        "out/shoots/stopped",
        "out/m-rehearsal",
    ]
    assert (finished["state"], finished["command"]) == ("finished", None)
    assert stopped["state"] == "stopped"
    assert stopped["command"].startswith("batchgen run m.csv")
    assert rehearsal["rehearsed"] is True
    assert document["spent_usd"] == finished["spent_usd"] + stopped["spent_usd"] > 0
    assert document["rehearsed_usd"] == rehearsal["spent_usd"] > 0


def test_pretend_money_is_never_added_to_real_money(several: Shop) -> None:
    text = batchgen("runs", at=several.folder).stdout

    real, pretend = text.splitlines()[-2:]
    assert real.startswith("2 real runs: spent $")
    assert pretend.startswith("1 rehearsal: pretend cost $")
    assert pretend.endswith("(rehearsal: no money was spent)")
    assert "out/m: finished, 1 hour ago" in text
    assert "out/shoots/stopped: stopped, 2 hours ago" in text
    assert "to carry on: batchgen run m.csv" in text


def test_a_run_that_works_is_running(several: Shop) -> None:
    with open_folder(several.folder / "out/shoots/stopped", None, None):
        text = batchgen("runs", at=several.folder).stdout

    assert "out/shoots/stopped: running" in text
    assert "to carry on" not in text


def test_a_folder_that_cannot_be_read_hides_no_other(several: Shop) -> None:
    for name in ("run.db", "run.db-wal", "run.db-shm"):
        (several.folder / "out/m" / name).unlink(missing_ok=True)

    ended = batchgen("runs", "--json", at=several.folder)

    by_folder = {run["folder"]: run for run in json.loads(ended.stdout)["runs"]}
    assert len(by_folder) == 3
    assert by_folder["out/m"]["state"] == "unreadable"
    assert "not the ledger" in by_folder["out/m"]["message"]
    assert by_folder["out/m"]["spent_usd"] is None
    assert batchgen("runs", at=several.folder).code == 0


def test_links_and_hidden_folders_are_left_out(several: Shop) -> None:
    out = several.folder / "out"
    (out / "again").symlink_to(out / "m")
    (out / ".hidden").symlink_to(out / "m")
    (out / "ring").symlink_to(out)

    document = json.loads(batchgen("runs", "--json", at=several.folder).stdout)

    assert len(document["runs"]) == 3


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 0, "no run folder below out; `batchgen run SOURCE` makes one"),
        (("nowhere",), 2, "no such folder: nowhere"),
    ],
)
def test_without_a_run_it_says_so(
    tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    ended = batchgen("runs", *words, at=tmp_path)

    assert ended.code == code
    assert message in ended.terminal


def test_python_code_finds_the_same_folders(several: Shop) -> None:
    folders = module.find_runs(several.folder / "out")

    assert [folder.path.name for folder in folders] == ["m", "m-rehearsal", "stopped"]
    assert [folder.status.is_rehearsal for folder in folders] == [False, True, False]
    assert module.find_runs(several.folder / "nowhere") == []
