"""Each difference between ledger and bill is told; the uncertain stays at risk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from batchgen.billing.bill import BillLine
from batchgen.billing.comparison import (
    HOUR,
    Bill,
    Comparison,
    Difference,
    Kind,
    compare,
)
from batchgen.errors import Charge
from batchgen.ledger import Charged, Ledger, settle_charge
from batchgen.model import State
from tests.ledger.books import (
    AT,
    CEILING,
    PRICE,
    ended,
    new_ledger,
    prompts,
    row_ids,
    start,
)

SECOND = 1_000_000
SLACK = 5 * SECOND
LATER = AT + 600 * SECOND
HOURS = (AT - 3600 * SECOND, AT + 3 * 3600 * SECOND)
OURS = "r-1"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(new_ledger(tmp_path)) as ledger:
        prompts(ledger, ["cup", "lamp"], ids="ab")
        yield ledger


def attempt(
    ledger: Ledger,
    charge: Charge,
    cost: int | None,
    *,
    name: str | None = OURS,
    at: int = AT,
) -> int:
    """Write down an attempt that failed, a second after it was sent."""
    row_id = row_ids(ledger)[0]
    attempt_id = ledger.mark_sent(replace(start(row_id), sent_at=at))
    state = State.UNKNOWN if charge is Charge.UNKNOWN else State.FAILED
    end = replace(ended(state, charge, cost), request_id=name, ended_at=at + 1 * SECOND)
    ledger.mark_ended(attempt_id, end)
    return attempt_id


def accepted(ledger: Ledger, task: str) -> int:
    attempt_id = ledger.mark_sent(start(row_ids(ledger)[0]))
    ledger.mark_accepted(attempt_id, task, task, AT)
    return attempt_id


def line(number: int, name: str | None, nano: int = PRICE, at: int = AT) -> BillLine:
    return BillLine(number, name, at, nano)


def compared(
    ledger: Ledger, *lines: BillLine, covers: tuple[int, int] | None = HOURS
) -> Comparison:
    bill = Bill(provider="acme", lines=lines, slack=SLACK, covers=covers)
    return compare(ledger, bill)


def only(result: Comparison) -> Difference:
    [difference] = result.differences
    return difference


def brief(result: Comparison) -> list[tuple[Kind, int | None, int | None]]:
    return [
        (difference.kind, difference.attempt_id, difference.settles_to)
        for difference in result.differences
    ]


@pytest.mark.parametrize("charge", [Charge.REPORTED, Charge.PRICE_LIST, Charge.BILLED])
def test_what_both_sides_have_at_one_amount_is_no_difference(
    charge: Charge, ledger: Ledger
) -> None:
    attempt(ledger, charge, PRICE)

    result = compared(ledger, line(1, OURS))

    assert result.differences == []
    assert (result.matches, result.matches_nano, result.billed) == (
        1,
        PRICE,
        PRICE,
    )


@pytest.mark.parametrize("ours", [PRICE, 0])
def test_another_amount_under_our_id_is_the_truth(ours: int, ledger: Ledger) -> None:
    attempt_id = attempt(ledger, Charge.REPORTED if ours else Charge.NONE, ours)

    result = compared(ledger, line(1, OURS, PRICE + 7))

    assert brief(result) == [(Kind.OTHER_AMOUNT, attempt_id, PRICE + 7)]
    assert (only(result).ours, only(result).billed) == (ours, PRICE + 7)


def test_lines_of_one_id_are_one_amount_money_back_included(ledger: Ledger) -> None:
    attempt_id = attempt(ledger, Charge.UNKNOWN, None)

    result = compared(ledger, line(1, OURS), line(2, OURS, -PRICE))

    assert brief(result) == [(Kind.NOW_KNOWN, attempt_id, 0)]
    assert result.billed == 0


@pytest.mark.parametrize("name", [OURS, None], ids=["by-id", "by-time"])
@pytest.mark.parametrize(
    ("charge", "cost"),
    [(Charge.UNKNOWN, None), (Charge.PRICE_LIST, None)],
    ids=["at-risk", "no-price"],
)
def test_what_was_not_known_costs_what_the_bill_says(
    charge: Charge, cost: None, name: str | None, ledger: Ledger
) -> None:
    attempt_id = attempt(ledger, charge, cost, name=name)

    result = compared(ledger, line(1, name, PRICE - 1, AT + SLACK))

    assert brief(result) == [(Kind.NOW_KNOWN, attempt_id, PRICE - 1)]


def test_ids_that_the_bill_does_not_use_leave_time_and_amount(ledger: Ledger) -> None:
    attempt_id = attempt(ledger, Charge.UNKNOWN, None, name="call-of-our-side")

    result = compared(ledger, line(1, "line-of-theirs"))

    assert brief(result) == [(Kind.NOW_KNOWN, attempt_id, PRICE)]


def test_who_has_an_id_that_the_bill_lacks_takes_no_line_of_others(
    ledger: Ledger,
) -> None:
    attempt(ledger, Charge.REPORTED, PRICE)
    lost = attempt(ledger, Charge.UNKNOWN, None, name="r-2")

    result = compared(ledger, line(1, OURS), line(2, "r-9"))

    assert brief(result) == [
        (Kind.NOT_CHARGED, lost, 0),
        (Kind.NOT_OURS, None, None),
    ]


def test_a_line_without_an_id_may_be_anybodys(ledger: Ledger) -> None:
    attempt(ledger, Charge.REPORTED, PRICE)
    lost = attempt(ledger, Charge.UNKNOWN, None, name="r-2")

    result = compared(ledger, line(1, OURS), line(2, None))

    assert brief(result) == [
        (Kind.NOT_CHARGED, lost, None),
        (Kind.NOT_OURS, None, None),
    ]


def test_what_a_reply_said_is_not_given_up_for_a_line_without_its_id(
    ledger: Ledger,
) -> None:
    reported = attempt(ledger, Charge.REPORTED, PRICE, name=None)
    by_list = attempt(ledger, Charge.PRICE_LIST, PRICE, name=None, at=LATER)

    result = compared(ledger, line(1, None, 5), line(2, None, 6, LATER))

    assert brief(result) == [
        (Kind.OTHER_AMOUNT, reported, None),
        (Kind.OTHER_AMOUNT, by_list, 6),
    ]


# -- what is not on the bill


def test_what_is_not_on_a_whole_bill_was_not_charged(ledger: Ledger) -> None:
    attempt_id = attempt(ledger, Charge.UNKNOWN, None)

    result = compared(ledger)

    assert brief(result) == [(Kind.NOT_CHARGED, attempt_id, 0)]
    assert (only(result).ours, only(result).billed) == (CEILING, None)


@pytest.mark.parametrize(
    ("covers", "settles"),
    [
        pytest.param((AT - SLACK, AT + HOUR + SLACK), True, id="just-covered"),
        pytest.param((AT - SLACK + 1, HOURS[1]), False, id="begins-too-late"),
        pytest.param((HOURS[0], AT + HOUR + SLACK - 1), False, id="ends-too-early"),
        pytest.param(None, False, id="only-its-lines"),
    ],
)
def test_what_the_bill_may_not_cover_stays_at_risk(
    ledger: Ledger, covers: tuple[int, int] | None, *, settles: bool
) -> None:
    attempt(ledger, Charge.UNKNOWN, None)
    attempt(ledger, Charge.REPORTED, PRICE, name="r-2")

    result = compared(ledger, line(1, "r-2"), covers=covers)

    assert (only(result).settles_to == 0) == settles
    assert ("--covers" in only(result).note) == (not settles)


def test_a_line_that_is_nobodys_keeps_who_may_own_it_at_risk(ledger: Ledger) -> None:
    near = attempt(ledger, Charge.UNKNOWN, None, name=None)
    far = attempt(ledger, Charge.UNKNOWN, None, name=None, at=LATER)

    result = compared(ledger, line(1, None, CEILING + 1))

    assert brief(result) == [
        (Kind.NOT_CHARGED, near, None),
        (Kind.NOT_CHARGED, far, 0),
        (Kind.NOT_OURS, None, None),
    ]


def test_what_was_charged_long_after_its_answer_was_lost_is_found(
    ledger: Ledger,
) -> None:
    # The connection was lost after a second, and the image made for minutes more.
    attempt_id = attempt(ledger, Charge.UNKNOWN, None, name=None)

    result = compared(ledger, line(1, None, PRICE, LATER))

    assert brief(result) == [(Kind.NOW_KNOWN, attempt_id, PRICE)]


def test_a_bill_that_lacks_what_was_surely_charged_frees_nothing(
    ledger: Ledger,
) -> None:
    risky = attempt(ledger, Charge.UNKNOWN, None, name=None)
    reported = attempt(ledger, Charge.REPORTED, PRICE, at=LATER)

    result = compared(ledger)

    assert brief(result) == [
        (Kind.NOT_CHARGED, risky, None),
        (Kind.NOT_BILLED, reported, None),
    ]


def test_what_was_surely_charged_outside_its_time_is_no_hole_in_it(
    ledger: Ledger,
) -> None:
    risky = attempt(ledger, Charge.UNKNOWN, None, name=None)
    last = AT + 2 * HOUR
    reported = attempt(ledger, Charge.REPORTED, PRICE, at=last)

    result = compared(ledger, covers=(HOURS[0], last - 1))

    assert brief(result) == [
        (Kind.NOT_CHARGED, risky, 0),
        (Kind.NOT_BILLED, reported, None),
    ]


@pytest.mark.parametrize("name", [OURS, None], ids=["by-id", "by-time"])
@pytest.mark.parametrize(
    ("billed", "kind"),
    [
        pytest.param(PRICE, Kind.NOW_KNOWN, id="the-least"),
        pytest.param(PRICE + 5, Kind.NOW_KNOWN, id="within-the-range"),
    ],
)
def test_the_bill_says_what_a_delivery_cost_whose_price_has_a_range(
    billed: int, kind: Kind, name: str | None, ledger: Ledger
) -> None:
    attempt_id = ledger.mark_sent(start(row_ids(ledger)[0]))
    charged = Charged(Charge.PRICE_LIST, PRICE, 10)
    ledger.mark_delivered(attempt_id, (), charged, name, 1.0)
    before = ledger.money()

    result = compared(ledger, line(1, name, billed, AT + SLACK))
    settle_charge(ledger, attempt_id, only(result).settles_to or 0)

    assert brief(result) == [(kind, attempt_id, billed)]
    assert (before.spent, before.at_risk, before.at_risk_attempts) == (PRICE, 10, 0)
    after = ledger.money()
    assert (after.spent, after.at_risk) == (billed, 0)
    assert compared(ledger, line(1, name, billed, AT + SLACK)).differences == []


def test_an_amount_beyond_the_range_is_another_one(ledger: Ledger) -> None:
    attempt_id = ledger.mark_sent(start(row_ids(ledger)[0]))
    charged = Charged(Charge.PRICE_LIST, PRICE, 10)
    ledger.mark_delivered(attempt_id, (), charged, OURS, 1.0)

    result = compared(ledger, line(1, OURS, PRICE + 11))

    assert brief(result) == [(Kind.OTHER_AMOUNT, attempt_id, PRICE + 11)]


def test_a_free_failure_need_not_be_on_the_bill(ledger: Ledger) -> None:
    attempt(ledger, Charge.NONE, 0)
    attempt(ledger, Charge.BILLED, 0)

    assert compared(ledger).differences == []


@pytest.mark.parametrize("lines", [(), (line(1, "t-1"),)], ids=["absent", "billed"])
def test_a_task_that_is_under_way_is_left_to_the_next_run(
    lines: tuple[BillLine, ...], ledger: Ledger
) -> None:
    attempt_id = accepted(ledger, "t-1")

    assert brief(compared(ledger, *lines)) == [(Kind.UNDER_WAY, attempt_id, None)]


def test_an_answer_written_down_days_later_is_looked_for_in_its_own_hour(
    ledger: Ledger,
) -> None:
    row_id = row_ids(ledger)[0]
    attempt_id = ledger.mark_sent(start(row_id))
    end = ended(State.UNKNOWN, Charge.UNKNOWN, None)
    days = replace(end, ended_at=AT + 3 * 86_400 * SECOND)
    ledger.mark_ended(attempt_id, days)

    assert only(compared(ledger)).settles_to == 0


def test_what_others_bought_before_and_after_is_left_out(ledger: Ledger) -> None:
    attempt(ledger, Charge.REPORTED, PRICE)
    before, after = line(1, "x", 9, AT - 86_400 * SECOND), line(3, None, 9, LATER)

    result = compared(ledger, before, line(2, OURS), after)

    assert result.differences == []
    assert (result.outside, result.billed) == ([after, before], PRICE)


def test_another_providers_purchases_are_another_bills(ledger: Ledger) -> None:
    row_id = row_ids(ledger)[0]
    elsewhere = ledger.mark_sent(replace(start(row_id), provider="other"))
    ledger.mark_ended(elsewhere, ended(State.UNKNOWN, Charge.UNKNOWN, None))
    attempt(ledger, Charge.REPORTED, PRICE)

    assert compared(ledger, line(1, OURS)).differences == []
