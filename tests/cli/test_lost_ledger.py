"""A folder whose ledger is gone is refused, and nothing in it is bought again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.ledger import Reader
from batchgen.sandbox import start_sandbox
from tests.cli.command import (
    COMMAND,
    KEY,
    TIMEOUT_S,
    Shop,
    batchgen,
    environment,
    table,
)
from tests.cli.command import digest as digest_of
from tests.law import check_amounts

OUTPUTS = ("images.zip", "results.parquet", "attempts.parquet")


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def begin_anew(path: Path) -> None:
    """Leave a database that has all tables, and nothing in them."""
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY)")


def state_of(folder: Path) -> dict[str, str]:
    return {name: digest_of(folder / name) for name in OUTPUTS}


@pytest.fixture
def finished_shop(shop: Shop) -> Shop:
    shop.catalogue(3)
    assert shop.run("m.csv", "--yes").code == 0
    for name in ("run.db-wal", "run.db-shm"):
        assert not (shop.folder / "out/m" / name).exists()
    return shop


@pytest.mark.parametrize("lose", [remove, empty, begin_anew])
def test_outputs_without_their_ledger_are_refused_and_stay(
    finished_shop: Shop, lose: Callable[[Path], None]
) -> None:
    folder = finished_shop.folder / "out/m"
    before, sent = state_of(folder), finished_shop.sent
    lose(folder / "run.db")

    refused = finished_shop.run("m.csv", "--yes", "--quiet")
    shown = batchgen("check", "m.csv", *finished_shop.options, at=finished_shop.folder)
    stands = batchgen("status", "out/m", at=finished_shop.folder)

    assert refused.code == shown.code == stands.code == 1
    for ended in (refused, shown, stands):
        assert "images.zip" in ended.message
        assert "not the ledger (run.db)" in ended.message
        assert "batchgen recover" in ended.message
        assert "--out" in ended.message
    assert state_of(folder) == before
    assert finished_shop.sent == sent


@pytest.mark.parametrize("content", [b"of somebody else", b""], ids=["other", "empty"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_a_foreign_file_of_an_outputs_name_is_never_written_over(
    shop: Shop, name: str, content: bytes
) -> None:
    shop.catalogue(2)
    folder = shop.folder / "mine"
    folder.mkdir()
    (folder / name).write_bytes(content)
    before = shop.sent

    refused = shop.run("m.csv", "--yes", "--quiet", "--out", "mine")

    assert refused.code == 1
    assert name in refused.message
    assert (folder / name).read_bytes() == content
    assert [path.name for path in folder.iterdir()] == [name]
    assert shop.sent == before


def test_a_foreign_zip_beside_a_run_that_bought_nothing_stays(shop: Shop) -> None:
    shop.catalogue(2)
    assert shop.run("m.csv", "--max-cost", "0.01", "--quiet").code == 4
    archive = shop.folder / "out/m/images.zip"
    archive.write_bytes(b"of somebody else")
    before = shop.sent

    refused = shop.run("m.csv", "--yes", "--quiet")

    assert refused.code == 1
    assert "is not of this run" in refused.message
    assert archive.read_bytes() == b"of somebody else"
    assert shop.sent == before


def test_an_older_copy_of_the_ledger_does_not_buy_what_the_zip_has(
    finished_shop: Shop,
) -> None:
    folder = finished_shop.folder / "out/m"
    shutil.copy(folder / "run.db", finished_shop.folder / "copy.db")
    finished_shop.catalogue(5)
    assert finished_shop.run("m.csv", "--yes").code == 0
    before, sent = state_of(folder), finished_shop.sent
    shutil.copy(finished_shop.folder / "copy.db", folder / "run.db")

    refused = finished_shop.run("m.csv", "--yes", "--quiet")

    assert refused.code == 1
    assert "holds 2 images of purchases that the ledger" in refused.message
    assert state_of(folder) == before
    assert finished_shop.sent == sent


def test_a_ledger_whose_own_log_was_lost_does_not_buy_accepted_tasks_again(
    tmp_path: Path,
) -> None:
    with start_sandbox(tmp_path / "sandbox", latency=2.0) as sandbox:
        shop = Shop(sandbox, tmp_path, "foxapi")
        options = ("--price", "0.0585", "--yes", "--quiet")
        shop.catalogue(1)
        assert shop.run("m.csv", *options).code == 0
        shop.catalogue(3)
        log = tmp_path / "out/m/run.log"
        words = ("run", "m.csv", *shop.options, *options)
        with subprocess.Popen(
            [*COMMAND, *words], cwd=tmp_path, env=environment(KEY)
        ) as process:
            give_up = time.monotonic() + TIMEOUT_S
            while log.read_text().count(" accepted ") < 3:
                assert time.monotonic() < give_up
            process.kill()
        for name in ("run.db-wal", "run.db-shm"):
            log.with_name(name).unlink()
        sent = shop.sent

        refused = shop.run("m.csv", *options)

        assert refused.code == 1, refused
        assert "tells of purchase 3, and the ledger (run.db) knows 1" in refused.message
        assert shop.sent == sent
        (log.parent / "run.db").rename(tmp_path / "older.db")
        recovered = batchgen("recover", "out/m", "--price", "0.0585", at=tmp_path)
        assert recovered.code == 0, recovered
        assert shop.run("m.csv", *options).code == 0
        assert len(sandbox.bill()["entries"]) == 3


def test_a_new_ledger_beside_the_log_of_an_older_run_is_not_taken_for_an_old_one(
    finished_shop: Shop,
) -> None:
    folder = finished_shop.folder / "out/m"
    for name in ("run.db", *OUTPUTS):
        (folder / name).unlink()
    assert finished_shop.run("m.csv", "--max-cost", "0.01", "--quiet").code == 4

    ended = finished_shop.run("m.csv", "--yes", "--quiet")

    assert ended.code == 0, ended


def delete(ledger: Path) -> Path:
    ledger.unlink()
    return ledger.parent


def replace(ledger: Path) -> Path:
    ledger.unlink()
    ledger.write_bytes(b"something else")
    return ledger.parent


def cut(ledger: Path) -> Path:
    os.truncate(ledger, 0)
    return ledger.parent


def move_folder(ledger: Path) -> Path:
    return ledger.parent.rename(ledger.parent.with_name("moved"))


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (delete, "was deleted, replaced or cut while batchgen worked with it"),
        (replace, "was deleted, replaced or cut while batchgen worked with it"),
        (cut, "was deleted, replaced or cut while batchgen worked with it"),
        (move_folder, "was moved or deleted while batchgen worked with it"),
    ],
)
def test_a_ledger_that_goes_in_mid_run_stops_the_run_and_is_not_lost(
    tmp_path: Path, lose: Callable[[Path], Path], words: str
) -> None:
    with start_sandbox(tmp_path / "sandbox", latency=0.05) as sandbox:
        shop = Shop(sandbox, tmp_path)
        shop.catalogue(80)
        ledger = tmp_path / "out/m/run.db"
        options = ("run", "m.csv", *shop.options, "--yes", "--quiet")
        with subprocess.Popen(
            [*COMMAND, *options, "--concurrency", "2"],
            cwd=tmp_path,
            env=environment(KEY),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            give_up = time.monotonic() + TIMEOUT_S
            while shop.sent < 6:
                assert time.monotonic() < give_up, "nothing is sent"
            folder = lose(ledger)
            _, errors = process.communicate(timeout=TIMEOUT_S)

        assert process.returncode == 1
        assert words in errors
        sent = shop.sent
        assert sent < 80
        if lose is replace:
            assert ledger.read_bytes() == b"something else"
            ledger.with_name("run.db.of-this-run").replace(ledger)
        out = str(folder.relative_to(tmp_path))
        ended = shop.run("m.csv", "--yes", "--quiet", "--out", out)
        # What was under way when the folder was moved had no place to go to.
        homeless = 2 if lose is move_folder else 0
        assert ended.code in ((0, 3) if homeless else (0,)), ended
        assert 80 <= shop.sent <= 80 + homeless
        rows = table(folder)
        succeeded = rows["status"].to_list().count("succeeded")
        assert 80 - homeless <= succeeded <= 80
        with closing(Reader(folder / "run.db")) as reader:
            money = reader.money()
        billed = sandbox.bill()["total_nano_usd"]
        check_amounts(money.spent, billed, money.at_risk)
