"""What nobody can know is listed with its price, and bought again on a word alone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from batchgen.sandbox import SandboxProcess
from tests.acceptance.batch import product_rows
from tests.acceptance.conftest import FOXAPI_PRICE, customer, with_key
from tests.books import ledger_rows
from tests.law import check_all

SURE_AFTER = 3
"""Answers in a row that nobody knows a task, before they are believed."""


def test_a_held_row_is_listed_with_its_price_until_retry_releases_it(
    bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, "aimlapi", "--on-unknown", "hold")
    batch.write(product_rows(range(3)))
    bank.queue_fault("aimlapi", "lost_reply")

    ended = batch.run()
    left = batch.run()
    status = batch.call("status", "out")
    books = batch.books(bank)

    assert (ended.code, left.code, status.code) == (3, 3, 0), (ended, left, status)
    assert len(books.requests) == 3
    for output in (ended.stdout, left.stdout, status.stdout):
        assert "3 rows: 2 succeeded, 1 held" in output
        assert (
            "up to $0.13875 more may have been charged: 1 request got no answer"
        ) in output
        assert "1 held: aimlapi no usable reply from " in output
        assert "(row " in output
        assert "to try 1 held row again:\n  batchgen retry " in output
    [held] = [row for row in books.rows if row["status"] == "held"]
    assert (held["at_risk_usd"], held["cost_usd"]) == (Decimal("0.13875"), None)
    check_all(books)

    released = batch.call("retry", "out", "--status", "held")
    carried_on = batch.carry_on(released.stdout)
    books = batch.books(bank)

    assert released.stdout.startswith("1 row is marked to be tried again")
    assert "trying them may cost $0.0925" in released.stdout
    assert carried_on.code == 0, carried_on
    assert books.statuses == {"succeeded": 3}
    assert len(books.requests) == 4
    assert books.at_risk == 138_750_000
    check_all(books)


def test_tasks_of_another_account_are_held_until_its_key_is_back(
    bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, "foxapi", "--concurrency", "2")
    batch.write(product_rows(range(2)))
    bank.queue_fault("foxapi", "task_unknown", 2 * SURE_AFTER)

    ended = with_key(batch, "sk-of-another-account-22").run()
    books = batch.books(bank)

    assert ended.code == 3, ended
    assert books.statuses == {"held": 2}
    assert {row["error"] for row in books.rows} == {"task_lost"}
    assert {row["at_risk_usd"] for row in books.rows} == {Decimal(FOXAPI_PRICE)}

    carried_on = batch.run()
    books = batch.books(bank)

    assert carried_on.code == 0, carried_on
    assert books.statuses == {"succeeded": 2}
    assert len(books.requests) == 2
    assert (books.billed, books.at_risk) == (books.spent, 0)
    check_all(books)


def test_a_lost_task_is_asked_for_before_retry_buys_another(
    bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, "foxapi")
    batch.write(product_rows(range(1)))
    bank.queue_fault("foxapi", "task_unknown", SURE_AFTER)
    assert batch.run().code == 3

    released = batch.call("retry", "out")
    carried_on = batch.carry_on(released.stdout)
    books = batch.books(bank)

    assert carried_on.code == 0, (released, carried_on)
    assert len(books.requests) == 1
    [attempt] = ledger_rows(batch.ledger, "SELECT state FROM attempts")
    assert attempt["state"] == "stored"
    check_all(books)


def test_retry_tells_the_price_of_the_images_that_are_missing_alone(
    bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, "aimlapi", "--on-unknown", "hold", "--n", "3")
    batch.write(product_rows(range(2)))
    # Key and model have worked: the three images of the next row are bought at once.
    assert batch.run("--limit", "1").code == 0
    bank.queue_fault("aimlapi", "lost_reply")
    assert batch.run().code == 3
    held = batch.books(bank).rows[1]
    assert (held["status"], len(held["files"])) == ("held", 2)

    released = batch.call("retry", "out")
    carried_on = batch.carry_on(released.stdout)
    books = batch.books(bank)

    assert "trying them may cost $0.0925\n" in released.stdout
    assert carried_on.code == 0, carried_on
    assert len(books.requests) == 3 + 4
    check_all(books)
