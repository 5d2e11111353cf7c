"""`batchgen recover`: what was bought is known again, and not bought twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.command import (
    KEY,
    Shop,
    batchgen,
    digest,
    table,
)
from tests.cli.recovering import (
    OUTPUTS,
    TABLES,
    garble,
    lose_ledger,
    money_in,
    recover,
)


@pytest.mark.parametrize(
    "lost",
    [(), TABLES, ("run.log",), (*TABLES, "run.log"), ("attempts.parquet", "run.log")],
    ids=["ledger", "tables", "log", "tables-and-log", "purchases-and-log"],
)
def test_nothing_in_the_zip_is_bought_again_whatever_else_is_lost(
    finished_shop: Shop, lost: tuple[str, ...]
) -> None:
    folder = finished_shop.folder / "out/m"
    before, archive = money_in(folder), digest(folder / "images.zip")
    sent = finished_shop.sent
    lose_ledger(folder, *lost)

    ended = recover(finished_shop, "m.csv", *finished_shop.options)

    after = money_in(folder)
    assert after == before
    assert digest(folder / "images.zip") == archive
    assert ("cannot be known" in ended.stdout) == ("run.log" in lost)
    carried_on = finished_shop.run("m.csv", "--yes", "--quiet")
    assert carried_on.code == 0, carried_on
    assert finished_shop.sent == sent
    assert money_in(folder) == before
    assert table(folder)["status"].to_list() == ["succeeded"] * 3
    verified = batchgen("report", "out/m", "--verify", at=finished_shop.folder)
    assert verified.code == 0, verified


def test_a_folder_with_its_ledger_is_left_alone(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out/m"
    before = {name: digest(folder / name) for name in (*OUTPUTS, "run.db", "run.log")}

    refused = batchgen("recover", "out/m", at=finished_shop.folder)

    assert refused.code == 2
    assert "nothing to recover" in refused.message
    after = {name: digest(folder / name) for name in before}
    assert after == before
    assert not [*folder.glob("*lost*"), *folder.glob("*recovering*")]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty_beside_a_log(path: Path) -> None:
    path.write_bytes(b"")
    path.with_name("run.db-wal").write_bytes(b"a log that is worth something")


@pytest.mark.parametrize("damage", [garble, truncate, empty_beside_a_log])
def test_what_is_left_of_a_ledger_is_moved_aside_and_kept(
    finished_shop: Shop, damage: Callable[[Path], None]
) -> None:
    folder = finished_shop.folder / "out/m"
    damage(folder / "run.db")
    left = {path.name: path.read_bytes() for path in folder.glob("run.db*")}
    # What recoveries leave that were killed: early, and just before the end.
    (folder / "run.db.lost-7").write_bytes(b"from before")
    (folder / "run.db.recovering").write_bytes(b"half a ledger")
    (folder / "run.db.recovering-wal").write_bytes(b"and its log")
    refused = finished_shop.run("m.csv", "--yes", "--quiet")
    assert refused.code == 1

    ended = recover(finished_shop)

    assert (folder / "run.db.lost-7").read_bytes() == b"from before"
    for name, content in left.items():
        aside = name.replace("run.db", "run.db.lost-1")
        assert (folder / aside).read_bytes() == content
        assert aside in ended.stdout
    assert not [*folder.glob("run.db.recovering*")]
    sent = finished_shop.sent
    assert finished_shop.run("m.csv", "--yes", "--quiet").code == 0
    assert finished_shop.sent == sent


def test_a_ledger_log_beside_an_empty_ledger_is_never_deleted(shop: Shop) -> None:
    shop.catalogue(1)
    folder = shop.folder / "out/m"
    folder.mkdir(parents=True)
    empty_beside_a_log(folder / "run.db")
    before = shop.sent

    refused = shop.run("m.csv", "--yes", "--quiet")

    assert refused.code == 1
    assert "run.db-wal" in refused.message
    assert "batchgen recover" in refused.message
    assert (folder / "run.db-wal").read_bytes() == b"a log that is worth something"
    assert shop.sent == before


def test_the_result_table_alone_tells_what_rows_cost(shop: Shop) -> None:
    rows = ["a,a lamp", "b,REFUSE-ME please", "c,a pot"]
    shop.write("m.csv", "\n".join(["id,prompt", *rows, ""]))
    assert shop.run("m.csv", "--yes", "--quiet").code == 3
    folder = shop.folder / "out/m"
    before, sent = money_in(folder), shop.sent
    lose_ledger(folder, "images.zip", "attempts.parquet", "run.log")

    recover(shop, "m.csv", *shop.options)

    after = money_in(folder)
    assert (after.spent, after.at_risk) == (before.spent, before.at_risk)
    assert shop.run("m.csv", "--yes", "--quiet").code == 2
    assert shop.sent == sent


def test_a_folder_alone_is_enough_where_the_log_has_the_command(shop: Shop) -> None:
    shop.write("m.csv", "name\nlamp\ncup\n")
    prompt = ("--prompt", "A photo of {{ name }}")
    assert shop.run("m.csv", *prompt, "--yes", "--quiet").code == 0
    folder = shop.folder / "out/m"
    sent = shop.sent
    lose_ledger(folder, *TABLES)

    ended = recover(shop)

    command = ended.stdout.splitlines()[-1].strip()
    assert "--prompt 'A photo of {{ name }}'" in command
    assert money_in(folder).images == 2
    assert shop.run("m.csv", *prompt, "--yes", "--quiet").code == 0
    assert shop.sent == sent


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("عکس {{ name }} می\u200cشود", id="persian"),
        pytest.param("A photo\nof {{ name }}", id="two-lines"),
        pytest.param("👩\u200d👩\u200d👧 and {{ name }}", id="a-family"),
    ],
)
def test_the_command_in_the_log_may_be_of_any_script(shop: Shop, prompt: str) -> None:
    shop.write("m.csv", "name\nlamp\ncup\n")
    assert shop.run("m.csv", "--prompt", prompt, "--yes", "--quiet").code == 0
    lose_ledger(shop.folder / "out/m", *TABLES)

    assert f"--prompt '{prompt}'" in recover(shop).stdout


def test_a_command_that_was_refused_says_nothing_about_what_was_bought(
    shop: Shop,
) -> None:
    shop.write("m.csv", "name\nlamp\ncup\n")
    assert shop.run("m.csv", "--prompt", "A {{ name }}", "--yes", "--quiet").code == 0
    assert shop.run("m.csv", "--prompt", "No {{ name }}", "--yes", "--quiet").code == 2
    lose_ledger(shop.folder / "out/m")

    ended = recover(shop)

    assert "--prompt 'A {{ name }}'" in ended.stdout
    assert "does not hold" not in ended.stdout


def test_a_rehearsal_stays_a_rehearsal(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,prompt\na,a lamp\n")
    arguments = ("run", "m.csv", "--provider", "aimlapi", "--rehearse", "--quiet")
    assert batchgen(*arguments, at=tmp_path).code == 0
    folder = tmp_path / "out/m-rehearsal"
    before = money_in(folder)
    lose_ledger(folder, *TABLES)

    ended = batchgen("recover", "m.csv", "--rehearse", "--json", at=tmp_path)

    document = json.loads(ended.stdout, parse_float=Decimal)
    assert (document["realm"], document["rehearsed"]) == ("rehearsal", True)
    assert money_in(folder) == before
    real = batchgen(
        *("run", "m.csv", "--provider", "aimlapi", "--out", str(folder), "--yes"),
        at=tmp_path,
        key=KEY,
    )
    assert real.code == 1
    again = batchgen(*arguments, at=tmp_path)
    assert again.code == 0, again
    assert replace(money_in(folder)) == before
