"""`batchgen recover`: what was bought is known again, and not bought twice."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batchgen.ledger import Reader, Totals
from batchgen.ledger.records import Money
from batchgen.output.diskfile import DiskFile
from batchgen.output.walk import header_at
from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.cli.command import (
    COMMAND,
    KEY,
    TIMEOUT_S,
    Ended,
    Shop,
    batchgen,
    digest,
    environment,
    table,
)

OUTPUTS = ("images.zip", "results.parquet", "attempts.parquet")
TABLES = OUTPUTS[1:]
PRICE = ("--price", "0.0585")
"""What the sandbox charges for an image of FoxAPI's; its own list has none."""


def lose_ledger(folder: Path, *others: str) -> None:
    for path in folder.glob("run.db*"):
        path.unlink()
    for name in others:
        (folder / name).unlink()


def money_in(folder: Path) -> Totals:
    with closing(Reader(folder / "run.db")) as ledger:
        return ledger.totals(1 << 40)


def is_within(money: Money, billed: int) -> bool:
    """Say whether the law of money holds."""
    spent = money.spent + money.retired
    return spent <= billed <= spent + money.at_risk


def recover(shop: Shop, *words: str) -> Ended:
    ended = batchgen("recover", *(words or ("out/m",)), at=shop.folder)
    assert ended.code == 0, ended
    return ended


@pytest.fixture
def bought(shop: Shop) -> Shop:
    shop.catalogue(3)
    assert shop.run("m.csv", "--yes", "--quiet").code == 0
    return shop


@pytest.mark.parametrize(
    "lost",
    [(), TABLES, ("run.log",), (*TABLES, "run.log"), ("attempts.parquet", "run.log")],
    ids=["ledger", "tables", "log", "tables-and-log", "purchases-and-log"],
)
def test_nothing_in_the_zip_is_bought_again_whatever_else_is_lost(
    bought: Shop, lost: tuple[str, ...]
) -> None:
    folder = bought.folder / "out/m"
    before, archive = money_in(folder), digest(folder / "images.zip")
    sent = bought.sent
    lose_ledger(folder, *lost)

    ended = recover(bought, "m.csv", *bought.options)

    after = money_in(folder)
    assert after == before
    assert digest(folder / "images.zip") == archive
    assert ("cannot be known" in ended.stdout) == ("run.log" in lost)
    carried_on = bought.run("m.csv", "--yes", "--quiet")
    assert carried_on.code == 0, carried_on
    assert bought.sent == sent
    assert money_in(folder) == before
    assert table(folder)["status"].to_list() == ["succeeded"] * 3
    verified = batchgen("report", "out/m", "--verify", at=bought.folder)
    assert verified.code == 0, verified


def test_a_folder_with_its_ledger_is_left_alone(bought: Shop) -> None:
    folder = bought.folder / "out/m"
    before = {name: digest(folder / name) for name in (*OUTPUTS, "run.db", "run.log")}

    refused = batchgen("recover", "out/m", at=bought.folder)

    assert refused.code == 2
    assert "nothing to recover" in refused.message
    after = {name: digest(folder / name) for name in before}
    assert after == before
    assert not [*folder.glob("*lost*"), *folder.glob("*recovering*")]


def garble(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be one" * 40)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty_beside_a_log(path: Path) -> None:
    path.write_bytes(b"")
    path.with_name("run.db-wal").write_bytes(b"a log that is worth something")


@pytest.mark.parametrize("damage", [garble, truncate, empty_beside_a_log])
def test_what_is_left_of_a_ledger_is_moved_aside_and_kept(
    bought: Shop, damage: Callable[[Path], None]
) -> None:
    folder = bought.folder / "out/m"
    damage(folder / "run.db")
    left = {path.name: path.read_bytes() for path in folder.glob("run.db*")}
    # What recoveries leave that were killed: early, and just before the end.
    (folder / "run.db.lost-7").write_bytes(b"from before")
    (folder / "run.db.recovering").write_bytes(b"half a ledger")
    (folder / "run.db.recovering-wal").write_bytes(b"and its log")
    refused = bought.run("m.csv", "--yes", "--quiet")
    assert refused.code == 1

    ended = recover(bought)

    assert (folder / "run.db.lost-7").read_bytes() == b"from before"
    for name, content in left.items():
        aside = name.replace("run.db", "run.db.lost-1")
        assert (folder / aside).read_bytes() == content
        assert aside in ended.stdout
    assert not [*folder.glob("run.db.recovering*")]
    sent = bought.sent
    assert bought.run("m.csv", "--yes", "--quiet").code == 0
    assert bought.sent == sent


def test_a_recovery_that_is_killed_is_begun_again(bought: Shop) -> None:
    folder = bought.folder / "out/m"
    before, sent = money_in(folder), bought.sent
    garble(folder / "run.db")
    damaged = digest(folder / "run.db")
    with subprocess.Popen(
        [*COMMAND, "recover", "out/m"], cwd=bought.folder, stdout=subprocess.DEVNULL
    ) as process:
        give_up = time.monotonic() + TIMEOUT_S
        while not (folder / "run.db.recovering").exists():
            assert time.monotonic() < give_up
            assert process.poll() is None
        process.kill()

    recover(bought)

    assert money_in(folder) == before
    assert digest(folder / "run.db.lost-1") == damaged
    assert not [*folder.glob("run.db.recovering*")]
    assert bought.run("m.csv", "--yes", "--quiet").code == 0
    assert bought.sent == sent


def test_a_gap_in_the_log_is_told(bought: Shop) -> None:
    folder = bought.folder / "out/m"
    log = folder / "run.log"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(it for it in lines if "attempt=2" not in it))
    lose_ledger(folder, *TABLES)

    ended = recover(bought)

    assert "cannot be known" in ended.stdout
    assert money_in(folder).images == 3


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


# -- killed runs


def killed_after(shop: Shop, requests: int, *options: str) -> None:
    """Run, and kill it once the provider had so many requests more."""
    words = ("run", "m.csv", *shop.options, *options, "--yes", "--quiet")
    with subprocess.Popen(
        [*COMMAND, *words],
        cwd=shop.folder,
        env=environment(KEY),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        goal, give_up = shop.sent + requests, time.monotonic() + TIMEOUT_S
        while shop.sent < goal and process.poll() is None:
            assert time.monotonic() < give_up, "nothing is sent"
        process.kill()


def billed_by_prompt(sandbox: SandboxProcess) -> Counter[str]:
    return Counter(entry["prompt"] for entry in sandbox.bill()["entries"])


@pytest.mark.parametrize(
    ("provider", "options", "seed"),
    [
        pytest.param("aimlapi", (), 1, id="synchronous"),
        pytest.param("foxapi", PRICE, 2, id="tasks"),
        pytest.param("foxapi", (*PRICE, "--n", "2"), 3, id="two-images-each"),
    ],
)
def test_a_killed_run_without_its_ledger_keeps_the_law_of_money(
    provider: str, options: tuple[str, ...], seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    with start_sandbox(tmp_path / "sandbox", latency=0.03) as sandbox:
        shop = Shop(sandbox, tmp_path, provider)
        shop.catalogue(16)
        folder = tmp_path / "out/m"
        for _ in range(2):
            killed_after(shop, rng.randint(2, 7), *options, "--concurrency", "3")
            if rng.random() < 0.5:
                batchgen("report", "out/m", at=tmp_path)
            lose_ledger(folder)

            recover(shop)

            totals = money_in(folder)
            assert is_within(totals, sandbox.bill()["total_nano_usd"]), totals
        before = billed_by_prompt(sandbox)
        whole, open_prompts = prompts_in(folder)
        ended = shop.run("m.csv", *options, "--yes", "--quiet")

        after = billed_by_prompt(sandbox)
        assert ended.code in (0, 3), ended
        for prompt in whole | open_prompts:
            assert after[prompt] == before[prompt], prompt
        assert is_within(money_in(folder), sandbox.bill()["total_nano_usd"])


def prompts_in(folder: Path) -> tuple[set[str], set[str]]:
    """Return prompts of rows that have all images, and of rows with accepted tasks."""
    prompt = "json_extract(rows.request, '$.prompt')"
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        whole = ledger.execute(
            f"SELECT {prompt} FROM rows WHERE status = 'succeeded'"
        ).fetchall()
        asked = ledger.execute(
            f"SELECT {prompt} FROM rows JOIN attempts USING (row_id)"
            " WHERE state = 'accepted' AND attempts.images = rows.n"
        ).fetchall()
    return {text for (text,) in whole}, {text for (text,) in asked}


def test_a_task_that_only_the_table_knows_is_fetched_and_not_bought_again(
    tmp_path: Path,
) -> None:
    with start_sandbox(tmp_path / "sandbox", latency=2.0) as sandbox:
        shop = Shop(sandbox, tmp_path, "foxapi")
        shop.catalogue(2)
        folder = tmp_path / "out/m"
        words = ("run", "m.csv", *shop.options, *PRICE, "--yes", "--quiet")
        with subprocess.Popen(
            [*COMMAND, *words], cwd=tmp_path, env=environment(KEY)
        ) as process:
            log, give_up = folder / "run.log", time.monotonic() + TIMEOUT_S
            while not log.exists() or log.read_text().count(" accepted ") < 2:
                assert time.monotonic() < give_up
            process.terminate()
        sent = shop.sent
        before = money_in(folder)
        assert before.accepted == 2
        lose_ledger(folder, "run.log")

        ended = recover(shop, "out/m", "--price", "0.0585")

        assert "2 purchases that a provider accepted" in ended.stdout
        assert money_in(folder) == before
        assert shop.run("m.csv", *PRICE, "--yes", "--quiet").code == 0
        assert len(sandbox.bill()["entries"]) == 2
        assert billed_by_prompt(sandbox).total() == 2
        assert shop.sent == sent


# -- what was edited, failed or damaged


@pytest.mark.parametrize(
    ("lost", "ids"),
    [
        pytest.param((), True, id="tables-with-ids"),
        pytest.param((), False, id="tables-without-ids"),
        # With ids the ZIP alone says which row it was, not what that asked for.
        pytest.param(("run.log", *TABLES), False, id="zip-without-ids"),
    ],
)
def test_an_edit_after_the_loss_asks_as_any_other_edit(
    shop: Shop, lost: tuple[str, ...], *, ids: bool
) -> None:
    def write(*prompts: str) -> None:
        lines = [f"r{number},{text}" for number, text in enumerate(prompts)]
        lines = ["id,prompt", *lines] if ids else ["prompt", *prompts]
        shop.write("m.csv", "\n".join([*lines, ""]))

    write("a lamp", "a cup", "a pot")
    assert shop.run("m.csv", "--yes", "--quiet").code == 0
    folder = shop.folder / "out/m"
    spent, sent = money_in(folder).spent, shop.sent
    lose_ledger(folder, *lost)
    write("a lamp", "a tall cup", "a pot")

    recover(shop, "m.csv", *shop.options)

    assert money_in(folder).spent == spent
    refused = shop.run("m.csv", "--yes", "--quiet")
    assert refused.code == 2
    assert "--rebuy" in refused.message
    assert shop.sent == sent
    kept = shop.run("m.csv", "--yes", "--quiet", "--keep")
    assert kept.code == 0, kept
    assert shop.sent == sent


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


def test_rows_that_failed_and_rows_that_were_dropped_keep_their_money(
    shop: Shop,
) -> None:
    rows = ["a,a lamp", "b,REFUSE-ME please", "c,a pot", "d,a mug"]
    shop.write("m.csv", "\n".join(["id,prompt", *rows, ""]))
    assert shop.run("m.csv", "--yes", "--quiet").code == 3
    shop.write("m.csv", "\n".join(["id,prompt", *rows[:3], ""]))
    assert shop.run("m.csv", "--yes", "--quiet").code == 3
    folder = shop.folder / "out/m"
    before, results = money_in(folder), table(folder)
    assert before.retired > 0
    sent = shop.sent
    lose_ledger(folder, "run.log")

    recover(shop, "out/m", *shop.options)

    assert money_in(folder) == before
    assert shop.run("m.csv", "--yes", "--quiet").code == 3
    assert shop.sent == sent
    assert table(folder).equals(results)


def test_an_image_that_the_zip_lost_is_bought_again_only_with_consent(
    bought: Shop,
) -> None:
    folder = bought.folder / "out/m"
    before, sent = money_in(folder), bought.sent
    lose_ledger(folder, "images.zip")

    ended = recover(bought)

    assert "3 images that were bought are not in images.zip" in ended.stdout
    assert money_in(folder).spent == before.spent
    refused = bought.run("m.csv", "--yes", "--quiet")
    assert refused.code == 2
    assert "--rebuy" in refused.message
    assert bought.sent == sent


def test_a_damaged_image_costs_the_others_nothing(bought: Shop) -> None:
    folder = bought.folder / "out/m"
    archive = folder / "images.zip"
    data = bytearray(archive.read_bytes())
    first = header_at(DiskFile(archive), 0)
    assert first is not None
    second = first.length + first.size_bytes
    data[second + 6] ^= 0xFF  # in the header of the second
    archive.write_bytes(data)
    lose_ledger(folder)

    ended = recover(bought)

    assert "2 images in the ZIP" in ended.stdout
    assert "1 damaged place in images.zip" in ended.stdout
    statuses = Counter(row["status"] for row in rows_in(folder))
    assert statuses == {"succeeded": 2, "pending": 1}


def rows_in(folder: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        ledger.row_factory = sqlite3.Row
        return [dict(row) for row in ledger.execute("SELECT * FROM rows")]


def test_another_source_is_refused_and_nothing_is_changed(bought: Shop) -> None:
    folder = bought.folder / "out/m"
    lose_ledger(folder, "run.log", *TABLES)
    bought.write("other.csv", "id,prompt\nx,a horse\n")
    before = digest(folder / "images.zip")

    refused = batchgen(
        "recover", "other.csv", "--out", "out/m", *bought.options, at=bought.folder
    )

    assert refused.code == 2
    assert "SOURCE" in refused.message
    assert [path.name for path in folder.iterdir()] == ["images.zip"]
    assert digest(folder / "images.zip") == before


def test_another_programs_zip_is_refused_and_stays(shop: Shop) -> None:
    shop.catalogue(1)
    folder = shop.folder / "out/m"
    folder.mkdir(parents=True)
    (folder / "images.zip").write_bytes(b"PK\x05\x06" + bytes(18))

    refused = batchgen("recover", "m.csv", *shop.options, at=shop.folder)

    assert refused.code == 1
    assert "another program" in refused.message
    assert [path.name for path in folder.iterdir()] == ["images.zip"]


def test_a_table_that_cannot_be_read_is_moved_aside(bought: Shop) -> None:
    folder = bought.folder / "out/m"
    before = money_in(folder)
    lose_ledger(folder)
    (folder / "attempts.parquet").write_bytes(b"of somebody else")

    ended = recover(bought)

    assert "attempts.parquet cannot be read" in ended.stdout
    assert (folder / "attempts.parquet.lost-1").read_bytes() == b"of somebody else"
    assert money_in(folder) == before


def test_tables_of_an_older_batchgen_are_read_too(bought: Shop) -> None:
    folder = bought.folder / "out/m"
    before, sent = money_in(folder), bought.sent
    path = folder / "attempts.parquet"
    older = pl.read_parquet(path)
    names = older.columns[: older.columns.index("retired") + 1]
    older.select(names).write_parquet(path)
    lose_ledger(folder, "run.log")

    ended = recover(bought, "m.csv", *bought.options)

    assert "attempts.parquet: 3 purchases" in ended.stdout
    assert money_in(folder) == before
    assert bought.run("m.csv", "--yes", "--quiet").code == 0
    assert bought.sent == sent


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "bought"),
        ("provider", None),
        ("attempt_id", -1),
        ("images", None),
        ("cost_basis", "guessed"),
    ],
)
def test_a_table_that_others_changed_ends_in_one_message(
    bought: Shop, column: str, value: object
) -> None:
    folder = bought.folder / "out/m"
    path = folder / "attempts.parquet"
    rows = pl.read_parquet(path)
    changed = pl.lit(value, dtype=rows.schema[column]).alias(column)
    rows.with_columns(changed).write_parquet(path)
    lose_ledger(folder)

    refused = batchgen("recover", "out/m", at=bought.folder)

    assert refused.code == 1
    assert "attempts.parquet" in refused.message
    assert "move the file away" in refused.message
    assert not [*folder.glob("run.db*")]


def test_a_log_that_others_changed_is_read_as_far_as_it_makes_sense(
    bought: Shop,
) -> None:
    folder = bought.folder / "out/m"
    before = money_in(folder)
    lose_ledger(folder)
    with (folder / "run.log").open("ab") as log:
        log.write(b"2026-11-30T10:00:00Z info    sent attempt=-4 image='\\x'\n")
        log.write(b"2026-99-99T10:00:00Z info    sent attempt=4\n\xff\xfe\x00\n")
        log.write(b"2026-11-30T10:00:00Z info    sent attempt=9 images=99999999999\n")
        log.write(b"2026-11-30T10:00:00Z info    accepted attempt=9\n")
        log.write(b"2026-11-30T10:00:00Z info    command words='batchgen run ; rm'\n")

    ended = recover(bought, "out/m", "--provider", "aimlapi")

    after = money_in(folder)
    assert (after.spent, after.at_risk_attempts) == (before.spent, 1)
    assert "rm" not in ended.stdout.split()


def test_an_answer_that_no_other_file_knows_stands_as_at_risk(bought: Shop) -> None:
    folder = bought.folder / "out/m"
    lose_ledger(folder)
    (folder / "kept").mkdir()
    (folder / "kept/99.json").write_text("{}")

    ended = recover(bought)

    assert "kept/99.json" in ended.stdout
    assert money_in(folder).at_risk_attempts == 1


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


def test_a_rehearsal_stays_a_rehearsal(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,prompt\na,a lamp\n")
    words = ("run", "m.csv", "--provider", "aimlapi", "--rehearse", "--quiet")
    assert batchgen(*words, at=tmp_path).code == 0
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
    again = batchgen(*words, at=tmp_path)
    assert again.code == 0, again
    assert replace(money_in(folder)) == before


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with start_sandbox(tmp_path_factory.mktemp("sandbox"), latency=0) as running:
        yield running
