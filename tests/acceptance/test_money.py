"""Budget, key and credit, storms: whatever happens, the law of money holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess
from tests.acceptance.batch import Batch, product_rows
from tests.acceptance.conftest import KEY, customer, rehearsal, with_key
from tests.law import check_all, check_money, check_nothing_is_bought_again

PROVIDERS = ["aimlapi", "foxapi"]


@pytest.mark.parametrize(
    ("provider", "budget", "images"),
    [
        # At its ceiling an image is $0.093975; what is charged less makes room again.
        pytest.param("aimlapi", "0.48", 5, id="aimlapi"),
        pytest.param("foxapi", "0.2075", 5, id="foxapi"),
    ],
)
def test_the_budget_is_never_passed_and_a_higher_one_carries_on(
    provider: str, budget: str, images: int, tmp_path: Path
) -> None:
    batch = rehearsal(tmp_path, provider)
    batch.write(product_rows(range(10)))

    stopped = batch.run("--max-cost", budget)
    books = batch.books()

    assert stopped.code == 4, stopped
    assert "raise --max-cost" in stopped.stderr
    assert books.billed <= float(budget) * 1e9
    assert books.statuses == {"succeeded": images, "pending": 10 - images}
    check_all(books)

    carried_on = batch.run("--max-cost", "2")
    books = batch.books()

    assert carried_on.code == 0, carried_on
    assert len(books.requests) == 10
    check_all(books)


@pytest.mark.parametrize(
    ("provider", "key", "advice"),
    [
        ("aimlapi", "sk-wrong-5d41402abc4b", "check AIMLAPI_API_KEY"),
        ("foxapi", "sk-broke-5d41402abc4b", "top up the account"),
    ],
)
def test_a_refused_key_or_an_empty_account_stops_at_once_and_loses_nothing(
    provider: str, key: str, advice: str, bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, provider, "--concurrency", "2")
    batch.write(product_rows(range(6)))

    stopped = with_key(batch, key).run()
    books = batch.books(bank)

    assert stopped.code == 5, stopped
    assert advice in stopped.stderr
    assert books.statuses == {"pending": 6}
    assert len(books.requests) <= 2
    assert (books.billed, books.at_risk) == (0, 0)
    assert key not in stopped.stdout + stopped.stderr
    assert not [path for path in files_of(batch) if key.encode() in path.read_bytes()]

    carried_on = batch.run()
    books = batch.books(bank)

    assert carried_on.code == 0, carried_on
    assert books.statuses == {"succeeded": 6}
    assert not [path for path in files_of(batch) if KEY.encode() in path.read_bytes()]
    check_all(books)


@pytest.mark.parametrize(
    ("provider", "fault"), [("aimlapi", "no_credit"), ("foxapi", "wrong_key")]
)
def test_a_provider_that_refuses_in_mid_run_stops_it_until_a_later_run(
    provider: str, fault: str, bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, provider, "--concurrency", "2")
    batch.write(product_rows(range(6)))
    first = batch.run("--limit", "2")
    bank.queue_fault(provider, fault, times=3)  # three rows in turn, for it has worked

    stopped = batch.run()
    books = batch.books(bank)

    assert (first.code, stopped.code) == (0, 5), (first, stopped)
    assert set(books.statuses) == {"succeeded", "pending"}
    assert books.statuses["succeeded"] >= 2
    check_all(books)

    carried_on = batch.run()
    books = batch.books(bank)

    assert carried_on.code == 0, carried_on
    assert Counter(books.bought().values()) == {1: 6}
    check_all(books)


def test_a_refused_key_leaves_accepted_tasks_to_a_run_with_the_right_one(
    bank: SandboxProcess, tmp_path: Path
) -> None:
    batch = customer(tmp_path, bank, "foxapi", "--concurrency", "3")
    batch.write(product_rows(range(3)))
    with batch.running() as run:
        run.until("accepted", 3)
        run.kill()

    stopped = with_key(batch, "sk-wrong-5d41402abc4b").run()
    books = batch.books(bank)

    assert stopped.code == 5, stopped
    assert {attempt["state"] for attempt in books.attempts} == {"accepted"}
    check_money(books)

    carried_on = batch.run()
    books = batch.books(bank)

    assert carried_on.code == 0, carried_on
    assert len(books.requests) == 3
    assert (books.billed, books.at_risk) == (books.spent, 0)
    check_all(books)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_law_of_money_holds_through_a_storm_and_what_is_tried_again(
    provider: str, tmp_path: Path
) -> None:
    batch = rehearsal(tmp_path, provider, "--faults", "storm", "--seed", "5")
    batch.write(product_rows(range(30)))

    ended = batch.run()
    books = batch.books()

    assert ended.code == 3, ended
    assert books.statuses["refused"] > 0
    assert books.statuses["pending"] == 0
    assert len(books.requests) > 30
    check_all(books)

    marked = batch.call(
        "retry", "out", *("--status", "failed", "--status", "held"), "--status=refused"
    )
    again = batch.carry_on(marked.stdout)
    after = batch.books()

    assert (marked.code, again.code) == (0, 3), (marked, again)
    assert after.statuses["refused"] == books.statuses["refused"]
    succeeded = after.statuses["succeeded"]
    assert succeeded + after.statuses["refused"] + after.statuses["held"] == 30
    check_all(after)


def test_retry_tries_exactly_the_rows_that_were_named(tmp_path: Path) -> None:
    batch = rehearsal(tmp_path, "aimlapi")
    rows = product_rows(range(5))
    for number in (1, 3):
        rows[number]["prompt"] = f"REFUSE-ME {number}"
    batch.write(rows)
    ended = batch.run()
    (tmp_path / "ids").write_text("p0003\n")

    idle = batch.call("retry", "out")
    retry = batch.call("retry", "out", "--status", "refused", "--ids", "ids")
    again = batch.carry_on(retry.stdout)
    books = batch.books()

    assert (ended.code, again.code) == (3, 3), (ended, again)
    assert "0 rows are marked" in idle.stdout
    assert "1 row is marked" in retry.stdout
    assert [request["body"]["prompt"] for request in books.requests[5:]] == [
        "REFUSE-ME 3"
    ]
    assert books.statuses == {"succeeded": 3, "refused": 2}
    check_all(books)


def test_a_row_of_three_images_has_three_and_costs_what_the_bill_says(
    tmp_path: Path,
) -> None:
    batch = rehearsal(tmp_path, "aimlapi")
    rows = product_rows(range(3))
    batch.write([{**rows[0], "n": 3}, {**rows[1], "n": ""}, {**rows[2], "n": 2}])

    ended = batch.run()
    books = batch.books()

    assert ended.code == 0, ended
    assert [[file["name"] for file in row["files"]] for row in books.rows] == [
        ["p0000-1.png", "p0000-2.png", "p0000-3.png"],
        ["p0001.png"],
        ["p0002-1.png", "p0002-2.png"],
    ]
    assert (len(books.bill), books.billed, books.at_risk) == (6, books.spent, 0)
    check_money(books)
    check_nothing_is_bought_again(books)
    check_all(books)


def files_of(batch: Batch) -> list[Path]:
    return [path for path in batch.out.rglob("*") if path.is_file()]
