"""What a person at a terminal sees, and what becomes of a run that loses it."""

from __future__ import annotations

import re
import signal
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.cli.command import Shop, table
from tests.cli.terminal import CTRL_C, terminal
from tests.law import check_table_money

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxProcess]:
    """Serve this test alone: it holds replies back until the test lets them go."""
    with start_sandbox(tmp_path / "sandbox", latency=0) as running:
        yield running


def words_of(shown: str) -> str:
    return ESCAPE.sub("", shown)


def test_the_question_is_asked_in_full_and_no_sends_nothing(shop: Shop) -> None:
    shop.catalogue(3)

    with terminal("run", "m.csv", *shop.options, at=shop.folder) as screen:
        screen.wait_for("Spend it? [y/N]: ")
        screen.press(b"n\n")
        code = screen.wait()

    assert code == 2
    assert "3 rows to be bought, 3 images, for about $0.2775." in screen.shown
    assert "not agreed. Nothing was sent" in screen.shown
    assert shop.sent == 0


def test_ctrl_c_at_the_question_ends_it_and_sends_nothing(shop: Shop) -> None:
    shop.catalogue(3)

    with terminal("run", "m.csv", *shop.options, at=shop.folder) as screen:
        screen.wait_for("Spend it? [y/N]: ")
        screen.press_until(CTRL_C, "not agreed. Nothing was sent")
        code = screen.wait()

    assert code in (2, 130)
    assert "Traceback" not in screen.shown
    assert shop.sent == 0
    assert shop.run("m.csv", "--yes").code == 0


def test_yes_spends_and_the_summary_stands_alone_at_the_end(shop: Shop) -> None:
    shop.catalogue(3)

    with terminal("run", "m.csv", *shop.options, at=shop.folder) as screen:
        screen.wait_for("Spend it? [y/N]: ")
        screen.press(b"y\n")
        code = screen.wait()

    assert code == 0
    assert "3 rows: 3 succeeded" in words_of(screen.shown)
    assert shop.sent == 3


@pytest.mark.parametrize("columns", [60, 100, 200])
def test_the_bar_shows_rows_flights_pace_and_money(shop: Shop, columns: int) -> None:
    shop.catalogue(4)
    assert shop.run("m.csv", "--yes", "--limit", "2").code == 0
    shop.sandbox.queue_fault("aimlapi", "slow", 2)
    words = ["run", "m.csv", *shop.options, "--yes"]

    with terminal(*words, at=shop.folder, columns=columns) as screen:
        screen.wait_for("2 in flight")
        screen.wait_for("2 of 4 rows")
        shop.sandbox.release()
        code = screen.wait()

    shown = words_of(screen.shown)
    assert code == 0
    assert "running ━" in shown
    match = re.search(
        r"2 succeeded, 2 in flight, [\d.]+\s+images/min,\s+\$0\.\d\d", shown
    )
    assert match is not None, shown
    assert "…" not in shown


def test_ctrl_c_in_mid_run_lets_replies_come_in_and_tells_how_to_carry_on(
    shop: Shop,
) -> None:
    shop.catalogue(8)
    shop.sandbox.queue_fault("aimlapi", "slow", 2)
    words = ["run", "m.csv", *shop.options, "--yes", "--concurrency", "2"]

    with terminal(*words, at=shop.folder) as screen:
        screen.wait_for("2 in flight")
        screen.press(CTRL_C)
        screen.wait_for("is then unknown")
        shop.sandbox.release()
        code = screen.wait()

    shown = words_of(screen.shown).replace("\r\n", "\n")
    assert code == 130
    assert (
        "stopping: waiting up to 60 s for 2 requests already sent. Ctrl-C again stops "
        "now; whether those are charged is then unknown\n"
    ) in shown
    assert "8 rows: 6 pending, 2 succeeded" in shown
    assert "batchgen: stopped by Ctrl-C; everything paid for is kept\n" in shown
    assert "SIGINT" not in shown
    assert "to carry on:\n  batchgen run m.csv" in shown
    assert shop.sent == 2


def test_a_second_ctrl_c_stops_at_once_and_nothing_is_bought_twice_in_silence(
    shop: Shop,
) -> None:
    shop.catalogue(3)
    shop.sandbox.queue_fault("aimlapi", "slow", 1)
    words = ["run", "m.csv", *shop.options, "--yes", "--concurrency", "1"]

    with terminal(*words, at=shop.folder) as screen:
        screen.wait_for("1 in flight")
        screen.press(CTRL_C)
        screen.wait_for("whether that one is charged is then unknown")
        screen.press(CTRL_C)
        code = screen.wait()
    shop.sandbox.release()

    assert code == 130
    assert (
        "stopped now. 1 request had no answer yet and may be charged ($0.13875 at "
        "risk). To carry on:\r\n  batchgen run m.csv "
    ) in screen.shown
    assert shop.run("m.csv", "--yes").code == 0
    rows = table(shop.folder / "out/m")
    assert rows["at_risk_attempts"].to_list() == [1, 0, 0]
    check_table_money(rows.to_dicts(), shop.sandbox.bill()["total_nano_usd"])


@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]], ids=str)
def test_closing_the_terminal_ends_the_run_in_order(
    shop: Shop, options: list[str]
) -> None:
    shop.catalogue(8)
    shop.sandbox.queue_fault("aimlapi", "slow", 2)
    words = ["run", "m.csv", *shop.options, "--yes", "--concurrency", "2", *options]

    with terminal(*words, at=shop.folder) as screen:
        while shop.sandbox.faults()["held"] < 2:
            assert screen.process.poll() is None, screen.shown
        screen.close()
        wait_for_the_signal(shop.folder / "out/m/run.log", screen.process.poll)
        shop.sandbox.release()
        code = screen.wait()

    assert code == 128 + signal.SIGHUP
    with zipfile.ZipFile(shop.folder / "out/m/images.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 2 + 1
    statuses = table(shop.folder / "out/m")["status"].to_list()
    assert sorted(statuses) == ["pending"] * 6 + ["succeeded"] * 2
    with closing(sqlite3.connect(shop.folder / "out/m/run.db")) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert "Traceback" not in (shop.folder / "out/m/run.log").read_text()
    assert shop.run("m.csv", "--yes").code == 0
    assert shop.sent == 8


def wait_for_the_signal(log: Path, poll: object) -> None:
    """Read the log until it tells of the signal; the test's own limit ends it."""
    while "number=1" not in log.read_text():
        assert callable(poll)
        assert poll() is None, log.read_text()
