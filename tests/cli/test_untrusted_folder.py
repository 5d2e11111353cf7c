"""A run folder may have been in other hands: its word sends no key anywhere."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.cli.command import COMMAND, KEY, TIMEOUT_S, Shop, batchgen, environment
from tests.cli.command import table as table_of
from tests.wire.server import ScriptedServer, reply, serve


def leave_a_task(shop: Shop) -> None:
    """Let a run end while its task is still being made."""
    shop.catalogue(1)
    words = ("run", "m.csv", *shop.options, "--yes", "--quiet", "--price", "0.05")
    with subprocess.Popen(
        [*COMMAND, *words],
        cwd=shop.folder,
        env=environment(KEY),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        give_up = time.monotonic() + TIMEOUT_S
        while not change(shop, "SELECT 1 FROM attempts WHERE state = 'accepted'"):
            assert time.monotonic() < give_up, "no task is accepted"
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_S)


def change(shop: Shop, statement: str) -> list[tuple[object, ...]]:
    """Do something to the ledger that no command does."""
    path = shop.folder / "out/m/run.db"
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(path)) as ledger, ledger:
            return ledger.execute(statement).fetchall()
    except sqlite3.OperationalError:
        return []  # it is being made


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[SandboxProcess]:
    with start_sandbox(tmp_path / "sandbox", latency=600) as running:
        yield running


def test_a_task_at_an_address_that_only_the_folder_names_waits(
    slow: SandboxProcess, tmp_path: Path
) -> None:
    shop = Shop(slow, tmp_path, "foxapi")
    leave_a_task(shop)
    # Somebody makes a folder of a real run of it, whose task is on their own server.
    change(shop, "UPDATE meta SET value = 'real' WHERE name = 'realm'")
    before = shop.sent
    words = ("run", "m.csv", "--provider", "foxapi", "--yes", "--price", "0.05")

    ended = batchgen(*words, "--quiet", at=tmp_path, key=KEY)

    address = slow.provider_url("foxapi")
    assert ended.code == 3, ended
    assert f"tasks of an earlier run wait at {address}" in ended.stderr
    assert f"--base-url foxapi={address}" in ended.stderr
    assert shop.sent == before
    assert table_of(tmp_path / "out/m")["status"].to_list() == ["pending"]


def test_a_task_that_was_made_another_providers_brings_no_key_anywhere(
    slow: SandboxProcess, tmp_path: Path
) -> None:
    shop = Shop(slow, tmp_path, "foxapi")
    leave_a_task(shop)
    with ScriptedServer(serve(reply())) as evil:
        address = f"{evil.url}/$(touch pwned);\x1b[2J"
        change(shop, f"UPDATE attempts SET provider = 'gccai', base_url = '{address}'")

        ended = shop.run("m.csv", "--yes", "--quiet", "--price", "0.05")

    assert evil.connections == 0
    assert ended.code == 3, ended
    assert f"tasks of an earlier run wait at {evil.url}/$(touch pwned)" in ended.stderr
    # What is offered for pasting is one word, and nothing in it is obeyed.
    assert f"--base-url 'gccai={evil.url}/$(touch pwned);[U+001B][2J'" in ended.stderr
    assert "\x1b" not in ended.stderr
    assert table_of(tmp_path / "out/m")["status"].to_list() == ["pending"]
