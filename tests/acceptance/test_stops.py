"""A run that is told to stop keeps what it has and says how to carry on."""

from __future__ import annotations

import signal
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess
from tests.acceptance.batch import Batch, Running, product_rows
from tests.acceptance.conftest import customer, rehearsal
from tests.books import ledger_rows
from tests.law import check_all, check_money

IN_FLIGHT = 4
HOURS = "7200"


def in_mid_run(batch: Batch, bank: SandboxProcess, provider: str) -> None:
    """Let the replies to all that is in flight wait at the bank."""
    batch.write(product_rows(range(12)))
    bank.queue_fault(provider, "slow", IN_FLIGHT)


def wait_until_held(run: Running, bank: SandboxProcess) -> None:
    assert run.comes_to(lambda: bank.faults()["held"] == IN_FLIGHT), run.output


@pytest.mark.parametrize(
    ("number", "code", "why"),
    [
        pytest.param(signal.SIGINT, 130, "by Ctrl-C", id="SIGINT"),
        pytest.param(signal.SIGTERM, 143, "by a request to end", id="SIGTERM"),
        pytest.param(signal.SIGHUP, 129, "because the terminal was", id="SIGHUP"),
    ],
)
def test_what_is_in_flight_at_a_signal_ends_and_is_kept(
    number: signal.Signals, code: int, why: str, bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, "aimlapi", "--concurrency", str(IN_FLIGHT))
    in_mid_run(batch, bank, "aimlapi")

    with batch.running() as run:
        wait_until_held(run, bank)
        run.send(number)
        run.until("signal")
        bank.release()
        stopped = run.end()
    books = batch.books(bank)

    assert stopped.code == code, stopped
    assert f"batchgen: stopped {why}" in stopped.stderr
    assert "; everything paid for is kept\n" in stopped.stderr
    assert books.statuses == {"succeeded": IN_FLIGHT, "pending": 12 - IN_FLIGHT}
    assert (books.billed, books.at_risk) == (books.spent, 0)
    check_all(books)

    carried_on = batch.carry_on(stopped.stdout)
    books = batch.books(bank)

    assert carried_on.code == 0, carried_on
    assert books.statuses == {"succeeded": 12}
    assert len(books.requests) == 12
    check_all(books)


def test_tasks_that_a_signal_met_are_safe_and_fetched_by_the_next_run(
    bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, "foxapi", "--concurrency", str(IN_FLIGHT))
    in_mid_run(batch, bank, "foxapi")

    with batch.running() as run:
        wait_until_held(run, bank)
        run.send(signal.SIGINT)
        run.until("signal")
        bank.release()
        stopped = run.end()
    books = batch.books(bank)

    assert stopped.code == 130, stopped
    assert [attempt["state"] for attempt in books.attempts] == ["accepted"] * IN_FLIGHT
    assert books.at_risk == IN_FLIGHT * 41_500_000
    for ended in (stopped, batch.call("status", "out"), batch.call("report", "out")):
        assert (
            f"{IN_FLIGHT} accepted tasks are still being made; the next run fetches "
            "them (up to $0.166 for that)\n"
        ) in ended.stdout
        assert "unknown" not in ended.stdout
    assert books.statuses == {"pending": 12}
    assert not batch.archive.exists() or zipfile.is_zipfile(batch.archive)

    carried_on = batch.carry_on(stopped.stdout)
    books = batch.books(bank)

    assert carried_on.code == 0, carried_on
    assert books.statuses == {"succeeded": 12}
    assert len(books.requests) == 12
    assert (books.billed, books.at_risk) == (books.spent, 0)
    check_all(books)


def test_a_terminal_s_signal_leaves_the_rehearsal_s_sandbox_to_answer(
    tmp_path: Path,
) -> None:
    batch = rehearsal(tmp_path, "aimlapi", "--latency", "0.5", "--concurrency", "4")
    batch.write(product_rows(range(12)))

    with batch.running() as run:
        run.until("sent", 1)
        run.send(signal.SIGINT)
        stopped = run.end()
    carried_on = batch.carry_on(stopped.stdout)
    books = batch.books()

    assert (stopped.code, carried_on.code) == (130, 0), (stopped, carried_on)
    assert len(books.requests) == 12
    assert (books.billed, books.at_risk) == (books.spent, 0)
    check_all(books)


def test_tasks_under_way_are_left_at_once_at_a_signal(tmp_path: Path) -> None:
    patience = ("--latency", HOURS, "--concurrency", "4", "--grace", HOURS)
    batch = rehearsal(tmp_path, "foxapi", *patience)
    batch.write(product_rows(range(8)))

    with batch.running() as run:
        run.until("accepted", 4)
        run.send(signal.SIGINT)
        stopped = run.end()
    books = batch.books()

    assert stopped.code == 130, stopped
    assert [attempt["state"] for attempt in books.attempts] == ["accepted"] * 4
    assert books.statuses == {"pending": 8}
    check_money(books)


def test_the_second_signal_ends_it_at_once_and_nothing_is_hidden(
    tmp_path: Path,
) -> None:
    batch = rehearsal(tmp_path, "aimlapi", "--latency", HOURS, "--concurrency", "4")
    batch.write(product_rows(range(8)))

    with batch.running() as run:
        run.until("sent", 4)
        run.send(signal.SIGINT)
        run.until("signal")
        run.send(signal.SIGTERM)
        stopped = run.end()
    states = ledger_rows(batch.ledger, "SELECT state, ceiling FROM attempts")

    assert stopped.code == 143, stopped
    price = Decimal(sum(state["ceiling"] for state in states)) / 10**9
    assert (
        "stopped now. 4 requests had no answer yet and may be charged "
        f"(pretend ${price.normalize():f} at risk). To carry on:\n  batchgen run "
    ) in stopped.stderr
    assert [state["state"] for state in states] == ["sent"] * 4

    carried_on = batch.having("--latency", "0.02").run()
    books = batch.books()

    assert carried_on.code == 0, carried_on
    assert books.statuses == {"succeeded": 8}
    assert sum(row["at_risk_attempts"] for row in books.rows) == 4
    check_all(books)


def test_a_reply_that_does_not_come_within_the_grace_is_at_risk(
    tmp_path: Path,
) -> None:
    patience = ("--latency", HOURS, "--concurrency", "4", "--grace", "0")
    batch = rehearsal(tmp_path, "aimlapi", *patience)
    batch.write(product_rows(range(8)))

    with batch.running() as run:
        run.until("sent", 4)
        run.send(signal.SIGINT)
        stopped = run.end()
    books = batch.books()

    assert stopped.code == 130, stopped
    assert books.statuses == {"pending": 8}
    assert sum(row["at_risk_attempts"] for row in books.rows) == 4
    assert books.at_risk == sum(attempt["ceiling"] for attempt in books.attempts) > 0


def test_a_hangup_that_nohup_ignores_stays_ignored(
    bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, "aimlapi", "--concurrency", str(IN_FLIGHT))
    in_mid_run(batch, bank, "aimlapi")
    nohup = ("sh", "-c", 'trap "" HUP; exec "$@"', "nohup")

    with batch.running(before=nohup) as run:
        wait_until_held(run, bank)
        run.send(signal.SIGHUP)
        bank.release()
        ended = run.end()

    assert ended.code == 0, ended
    assert batch.books(bank).statuses == {"succeeded": 12}


def test_a_second_run_on_the_folder_is_refused_and_the_first_goes_on(
    bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, "aimlapi", "--concurrency", str(IN_FLIGHT))
    in_mid_run(batch, bank, "aimlapi")

    with batch.running() as first:
        wait_until_held(first, bank)
        second = batch.run()
        status = batch.call("status", "out")
        report = batch.call("report", "out")
        bank.release()
        ended = first.end()

    assert second.code == 1, second
    assert "another batchgen works on" in second.stderr
    assert "running now" in status.stdout
    assert (report.code, ended.code) == (0, 0), (report, ended)
    books = batch.books(bank)
    assert books.statuses == {"succeeded": 12}
    assert len(books.requests) == 12
    check_all(books)
