"""What may have been charged is said in words, whatever the reason."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from batchgen.cli.costs_output import total_lines
from batchgen.cli.formatting import money_lines
from batchgen.output.amounts import Amounts
from tests.cli.test_refused import NOTHING

NO_CHARGE_STATED = replace(NOTHING, spent=40_000_000, at_risk=120_000_000)
"""Two images that cost 2 to 8 cents each, and replies that say nothing of money."""


def test_money_at_risk_without_an_unknown_outcome_is_said() -> None:
    assert money_lines(NO_CHARGE_STATED) == [
        "spent $0.04",
        "up to $0.12 more may have been charged: no reply states what the images cost",
    ]


def test_unknown_outcomes_are_said_with_what_they_may_cost() -> None:
    lost = replace(NO_CHARGE_STATED, at_risk_attempts=1)

    assert money_lines(lost) == [
        "spent $0.04",
        "up to $0.12 more may have been charged: 1 request got no answer that tells",
    ]


def test_while_a_run_works_answers_and_tasks_are_not_left_to_the_next_one() -> None:
    open_risk = replace(NO_CHARGE_STATED, at_risk_attempts=3, accepted=2)

    _, risk, tasks = money_lines(open_risk, is_running=True)

    assert risk.endswith("may have been charged: 1 request has no final answer yet")
    assert tasks.startswith("2 accepted tasks are still being made (up to ")


def test_costs_say_money_at_risk_without_an_unknown_outcome() -> None:
    total = Amounts(
        rows=2,
        images=2,
        cost_usd=Decimal("0.04"),
        unknown_rows=0,
        per_image_usd=Decimal("0.02"),
        wasted_usd=Decimal(0),
        wasted_share=0.0,
        at_risk_usd=Decimal("0.12"),
        at_risk_attempts=0,
        at_risk_unknown_rows=0,
        estimated_usd=Decimal(0),
        actual_usd=Decimal(0),
    )

    assert total_lines(total) == [
        "total: 2 rows, 2 images, cost $0.04, $0.02 an image",
        "up to $0.12 more may have been charged: no reply states what the images cost",
    ]
