"""The table for accounting: each attempt once, with what it cost and how we know."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from batchgen.errors import Charge
from batchgen.ledger import (
    Ledger,
    purchase_slices,
    settle_charge,
    settled_without_note,
    unsettle_charges,
)
from batchgen.model import Basis, PurchaseRow, State, to_usd
from tests.ledger.books import (
    CEILING,
    PRICE,
    STEPS,
    buy_images,
    ended,
    prompts,
    row_ids,
    send_part,
    start,
)

USD = to_usd(PRICE)
NOTHING = Decimal(0)


def purchases(ledger: Ledger) -> list[PurchaseRow]:
    return [row for part in purchase_slices(ledger) for row in part]


@pytest.fixture
def row_id(ledger: Ledger) -> int:
    prompts(ledger, ["cup"], ids="a")
    return row_ids(ledger)[0]


@pytest.mark.parametrize(
    ("charged", "expected"),
    [
        pytest.param((Charge.NONE, 0), (NOTHING, Basis.NONE, NOTHING), id="free"),
        pytest.param(
            (Charge.REPORTED, PRICE), (USD, Basis.REPORTED, NOTHING), id="reported"
        ),
        pytest.param((Charge.BILLED, PRICE), (USD, Basis.BILLED, NOTHING), id="billed"),
        pytest.param(
            (Charge.PRICE_LIST, PRICE), (USD, Basis.PRICE_LIST, NOTHING), id="listed"
        ),
        pytest.param(
            (Charge.PRICE_LIST, None), (None, Basis.UNKNOWN, NOTHING), id="no-price"
        ),
        pytest.param(
            (Charge.UNKNOWN, None),
            (None, Basis.UNKNOWN, to_usd(CEILING)),
            id="at-risk",
        ),
    ],
)
def test_each_attempt_says_what_it_cost_and_how_that_is_known(
    charged: tuple[Charge, int | None],
    expected: tuple[Decimal | None, Basis, Decimal],
    ledger: Ledger,
    row_id: int,
) -> None:
    ledger.mark_ended(send_part(ledger, row_id), ended(State.FAILED, *charged))

    (purchase,) = purchases(ledger)

    assert (purchase.cost_usd, purchase.cost_basis, purchase.at_risk_usd) == expected
    assert (purchase.expected_usd, purchase.ceiling_usd) == (USD, to_usd(CEILING))
    assert (purchase.error, purchase.message) == ("provider_down", "words")


def test_what_is_under_way_is_at_risk_and_its_cost_is_null(
    ledger: Ledger, row_id: int
) -> None:
    STEPS[State.ACCEPTED](ledger, send_part(ledger, row_id))
    ledger.mark_sent(replace(start(row_id), expected=None, ceiling=None))

    accepted, unpriced = purchases(ledger)

    assert (accepted.cost_usd, accepted.at_risk_usd) == (None, to_usd(CEILING))
    assert (accepted.task_id, accepted.ended_at) == ("t-1", None)
    assert accepted.accepted_at is not None
    assert (unpriced.cost_usd, unpriced.at_risk_usd) == (None, None)


def test_attempts_are_counted_within_their_row_and_stand_in_their_order(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"])
    cup, lamp = row_ids(ledger)
    for row_id in (cup, lamp, cup, cup):
        buy_images(ledger, row_id)

    numbers = [
        (purchase.attempt_id, purchase.row, purchase.id, purchase.attempt)
        for purchase in purchases(ledger)
    ]

    assert numbers == [(1, 0, "0", 1), (2, 1, "1", 1), (3, 0, "0", 2), (4, 0, "0", 3)]


def test_what_was_paid_for_a_row_that_left_the_manifest_stays_and_is_called_retired(
    ledger: Ledger, row_id: int
) -> None:
    buy_images(ledger, row_id)
    prompts(ledger, ["lamp", "cup"], ids="ba")
    assert [
        (purchase.row, purchase.id, purchase.retired) for purchase in purchases(ledger)
    ] == [(1, "a", False)]

    prompts(ledger, ["lamp"], ids="b")

    (purchase,) = purchases(ledger)
    assert (purchase.row, purchase.id, purchase.retired, purchase.cost_usd) == (
        None,
        "a",
        True,
        USD,
    )
    assert (purchase.request_id, purchase.state) == ("r1", State.STORED)


# -- what a bill settled, taken back


def attempts(ledger: Ledger) -> list[tuple[object, ...]]:
    rows = ledger._connection.execute("SELECT * FROM attempts ORDER BY attempt_id")
    return [tuple(row) for row in rows]


CHARGES = [
    (State.FAILED, Charge.NONE, 0),
    (State.FAILED, Charge.REPORTED, PRICE),
    (State.FAILED, Charge.PRICE_LIST, None),
    (State.UNKNOWN, Charge.UNKNOWN, None),
]


def test_a_settled_bill_is_taken_back_to_the_last_field(
    ledger: Ledger, row_id: int
) -> None:
    for state, charge, cost in CHARGES:
        ledger.mark_ended(send_part(ledger, row_id), ended(state, charge, cost))
    before, money = attempts(ledger), ledger.money()

    for nano in (3 * CEILING, 5):  # the second bill corrects the first
        for attempt_id in range(1, len(CHARGES) + 1):
            settle_charge(ledger, attempt_id, nano)
        for highest in ledger.highest_charges():  # as each run does that begins
            ledger.raise_ceiling(*highest)
    assert ledger.money().spent == len(CHARGES) * 5

    assert unsettle_charges(ledger, None) == len(CHARGES)
    assert attempts(ledger) == before
    assert ledger.money() == money
    assert unsettle_charges(ledger, None) == 0


def test_a_ceiling_that_a_wrong_bill_raised_is_lowered_again(
    ledger: Ledger, row_id: int
) -> None:
    settled, lost = send_part(ledger, row_id), send_part(ledger, row_id)
    ledger.mark_ended(settled, ended(State.FAILED, Charge.REPORTED, 2 * CEILING))
    ledger.mark_ended(lost, ended(State.UNKNOWN, Charge.UNKNOWN, None))
    for highest in ledger.highest_charges():
        ledger.raise_ceiling(*highest)
    assert ledger.money().at_risk == 2 * CEILING

    settle_charge(ledger, settled, 9 * CEILING)
    for highest in ledger.highest_charges():
        ledger.raise_ceiling(*highest)
    assert ledger.money().at_risk == 9 * CEILING

    unsettle_charges(ledger, None)

    # What the provider itself had charged still holds it up.
    assert ledger.money().at_risk == 2 * CEILING


def test_a_task_that_was_settled_before_its_end_is_at_risk_when_that_is_taken_back(
    ledger: Ledger, row_id: int
) -> None:
    late, stored = send_part(ledger, row_id), send_part(ledger, row_id)
    for attempt_id in (late, stored):
        ledger.mark_accepted(attempt_id, "t", None, 1)
        settle_charge(ledger, attempt_id, PRICE)
    ledger.mark_ended(late, ended(State.OVERDUE, Charge.BILLED, PRICE))
    ledger.mark_delivered(stored, (), (Charge.BILLED, PRICE), None, None)
    ledger.mark_stored(stored, (), None, 2)

    unsettle_charges(ledger, None)

    money = ledger.money()
    assert (money.spent, money.at_risk, money.at_risk_attempts) == (0, 2 * CEILING, 2)


def test_a_charge_below_a_ceiling_that_was_raised_before_holds_it_up_by_itself(
    ledger: Ledger, row_id: int
) -> None:
    settled, charged, lost = (send_part(ledger, row_id) for _ in range(3))
    ledger.mark_ended(lost, ended(State.UNKNOWN, Charge.UNKNOWN, None))
    settle_charge(ledger, settled, 9 * CEILING)
    for highest in ledger.highest_charges():
        ledger.raise_ceiling(*highest)
    ledger.mark_ended(charged, ended(State.FAILED, Charge.REPORTED, 2 * CEILING))

    unsettle_charges(ledger, None)

    lost_now = next(
        attempt for attempt in ledger.attempts_of(row_id) if attempt.attempt_id == lost
    )
    assert lost_now.ceiling == 2 * CEILING


def test_only_the_bills_of_one_provider_are_taken_back(
    ledger: Ledger, row_id: int
) -> None:
    ids = [
        ledger.mark_sent(replace(start(row_id), provider=provider))
        for provider in ("one", "two")
    ]
    for attempt_id in ids:
        ledger.mark_ended(attempt_id, ended(State.UNKNOWN, Charge.UNKNOWN, None))
        settle_charge(ledger, attempt_id, 0)

    assert unsettle_charges(ledger, "two") == 1

    assert [attempt.at_risk for attempt in ledger.attempts_of(row_id)] == [False, True]


def test_what_an_older_batchgen_settled_is_counted_and_left(
    ledger: Ledger, row_id: int
) -> None:
    ledger.mark_ended(
        send_part(ledger, row_id), ended(State.FAILED, Charge.BILLED, PRICE)
    )

    assert unsettle_charges(ledger, None) == 0
    assert settled_without_note(ledger, None) == 1
    settle_charge(ledger, 1, 7)  # nor does a second bill pretend to know more
    assert settled_without_note(ledger, None) == 1
