"""The judge of all tests finds what it is there to find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.books import Books, Record
from tests.law import (
    check_amounts,
    check_money,
    check_nothing_is_bought_again,
    check_table,
    check_table_money,
    ledger_problems,
)

PRICE = 50_000_000
USD = Decimal("0.05")


def attempt(prompt: str, **changes: object) -> Record:
    """Return an attempt that brought its image."""
    stored: Record = {
        "attempt_id": 1,
        "row_id": 1,
        "first_image": 1,
        "state": "stored",
        "charge": "reported",
        "cost": PRICE,
        "ceiling": PRICE,
        "uncertain": 0,
        "task_id": None,
        "request_id": f"r-{prompt}",
        "error": None,
        "prompt": prompt,
        "planned": 1,
    }
    return stored | changes


def lost(prompt: str, **changes: object) -> Record:
    """Return an attempt without an answer."""
    unknown = {"state": "unknown", "charge": "unknown", "cost": None}
    return attempt(prompt, **unknown, request_id=None, **changes)


def row(prompt: str, **changes: object) -> Record:
    """Return a row of the result table, bought once."""
    succeeded: Record = {
        "row": 0,
        "prompt": prompt,
        "cost_usd": USD,
        "at_risk_usd": Decimal(0),
        "at_risk_attempts": 0,
    }
    return succeeded | changes


def entry(prompt: str, nano: int = PRICE) -> Record:
    """Return a line of the bill."""
    return {"id": f"r-{prompt}", "prompt": prompt, "amount_nano_usd": nano}


GOOD = Books(
    folder=Path(),
    rows=[row("cup"), row("lamp", row=1)],
    attempts=[attempt("cup"), attempt("lamp", row_id=2)],
    bill=[entry("cup"), entry("lamp")],
    requests=[{"body": {"prompt": "cup"}}, {"body": {"prompt": "lamp"}}],
)
AT_RISK = replace(
    GOOD,
    rows=[row("cup", cost_usd=None, at_risk_usd=USD, at_risk_attempts=1)],
    attempts=[lost("cup")],
    bill=[entry("cup")],
    requests=GOOD.requests[:1],
)


@pytest.mark.parametrize("books", [GOOD, AT_RISK], ids=["spent", "at-risk"])
def test_good_books_pass(books: Books) -> None:
    check_table(books)
    check_money(books)
    check_nothing_is_bought_again(books)


@pytest.mark.parametrize("billed", [49, 61])
def test_the_law_of_money_has_two_sides(billed: int) -> None:
    check_amounts(50, 50, 10)
    check_amounts(50, 60, 10)

    with pytest.raises(AssertionError, match="spent 50"):
        check_amounts(50, billed, 10)


def test_a_table_alone_is_judged_by_both_of_its_columns() -> None:
    rows = [row("cup"), row("lamp", cost_usd=None, at_risk_usd=USD)]
    check_table_money(rows, 2 * PRICE)

    with pytest.raises(AssertionError):
        check_table_money(rows, 2 * PRICE + 1)


def test_sums_that_fit_hide_no_prompt_that_does_not() -> None:
    billed = Counter({"cup": 2 * PRICE, "lamp": 0})

    problems = ledger_problems(GOOD.attempts, billed, spent=2 * PRICE, at_risk=0)

    assert sorted(problem.partition(":")[0] for problem in problems) == ["cup", "lamp"]


BAD: dict[str, tuple[Callable[[Books], None], Books]] = {
    "billed without a word": (
        check_money,
        replace(GOOD, bill=[*GOOD.bill, entry("lamp")]),
    ),
    "spent and not billed": (check_money, replace(GOOD, bill=GOOD.bill[:1])),
    "a table that says less than the ledger": (
        check_money,
        replace(GOOD, rows=[row("cup"), row("lamp", row=1, cost_usd=USD / 2)]),
    ),
    "a line of the bill that costs more than its attempt": (
        check_money,
        replace(AT_RISK, attempts=[attempt("cup")], bill=[entry("cup", PRICE + 1)]),
    ),
    "bought again after it was stored": (
        check_nothing_is_bought_again,
        replace(GOOD, attempts=[attempt("cup"), attempt("cup", attempt_id=2)]),
    ),
    "bought again while its task was open": (
        check_nothing_is_bought_again,
        replace(AT_RISK, attempts=[lost("cup", task_id="t"), attempt("cup")]),
    ),
    "billed twice, and written down once": (
        check_nothing_is_bought_again,
        replace(GOOD, bill=[*GOOD.bill, entry("cup")]),
    ),
    "an outcome that the table hides": (
        check_nothing_is_bought_again,
        replace(AT_RISK, rows=[row("cup")]),
    ),
    "a request that was sent and not written down": (
        check_nothing_is_bought_again,
        replace(GOOD, requests=[*GOOD.requests, {"body": {"prompt": "cup"}}]),
    ),
    "rows in another order": (check_table, replace(GOOD, rows=GOOD.rows[::-1])),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_books_do_not_pass(case: str) -> None:
    check, books = BAD[case]

    with pytest.raises(AssertionError):
        check(books)
