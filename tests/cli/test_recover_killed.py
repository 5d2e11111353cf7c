"""A run that was killed and lost its ledger keeps the law of money."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.cli.command import (
    COMMAND,
    KEY,
    TIMEOUT_S,
    Shop,
    batchgen,
    digest,
    environment,
)
from tests.cli.recovering import (
    PRICE,
    check_money,
    garble,
    lose_ledger,
    money_in,
    recover,
)


def killed_after(shop: Shop, requests: int, *options: str) -> None:
    """Run, and kill it once the provider had so many requests more."""
    arguments = ("run", "m.csv", *shop.options, *options, "--yes", "--quiet")
    with subprocess.Popen(
        [*COMMAND, *arguments],
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
    return Counter(sale["prompt"] for sale in sandbox.bill()["entries"])


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
            check_money(totals, sandbox.bill()["total_nano_usd"])
        before = billed_by_prompt(sandbox)
        whole, open_prompts = prompts_in(folder)
        ended = shop.run("m.csv", *options, "--yes", "--quiet")

        after = billed_by_prompt(sandbox)
        assert ended.code in (0, 3), ended
        for prompt in whole | open_prompts:
            assert after[prompt] == before[prompt], prompt
        check_money(money_in(folder), sandbox.bill()["total_nano_usd"])


def prompts_in(folder: Path) -> tuple[set[str], set[str]]:
    """Return prompts of rows that have all images, and of rows with accepted tasks."""
    prompt = "json_extract(rows.request, '$.prompt')"
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        whole = ledger.execute(
            f"SELECT {prompt} FROM rows WHERE status = 'succeeded'"
        ).fetchall()
        rows = ledger.execute(
            f"SELECT {prompt} FROM rows JOIN attempts USING (row_id)"
            " WHERE state = 'accepted' AND attempts.images = rows.n"
        ).fetchall()
    return {text for (text,) in whole}, {text for (text,) in rows}


def test_a_task_that_only_the_table_knows_is_fetched_and_not_bought_again(
    tmp_path: Path,
) -> None:
    with start_sandbox(tmp_path / "sandbox", latency=2.0) as sandbox:
        shop = Shop(sandbox, tmp_path, "foxapi")
        shop.catalogue(2)
        folder = tmp_path / "out/m"
        arguments = ("run", "m.csv", *shop.options, *PRICE, "--yes", "--quiet")
        with subprocess.Popen(
            [*COMMAND, *arguments], cwd=tmp_path, env=environment(KEY)
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


def test_a_recovery_that_is_killed_is_begun_again(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out/m"
    before, sent = money_in(folder), finished_shop.sent
    garble(folder / "run.db")
    damaged = digest(folder / "run.db")
    with subprocess.Popen(
        [*COMMAND, "recover", "out/m"],
        cwd=finished_shop.folder,
        stdout=subprocess.DEVNULL,
    ) as process:
        give_up = time.monotonic() + TIMEOUT_S
        while not (folder / "run.db.recovering").exists():
            assert time.monotonic() < give_up
            assert process.poll() is None
        process.kill()

    recover(finished_shop)

    assert money_in(folder) == before
    assert digest(folder / "run.db.lost-1") == damaged
    assert not [*folder.glob("run.db.recovering*")]
    assert finished_shop.run("m.csv", "--yes", "--quiet").code == 0
    assert finished_shop.sent == sent
