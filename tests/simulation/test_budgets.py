"""Budgets hold against providers that charge all they may and answer in bad orders.

`python -m tests.simulation.budgets` does it a thousand times.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.simulation.budgets import MIDNIGHT, Spree, draw, judge, spend
from tests.simulation.till import UNIT, Goods, Habits
from tests.virtual import live_through

RUNS = 30
MAX_ROWS = 36
LABELS = {"brand": "Acme", "kind": "hat"}


@pytest.mark.parametrize("seed", range(RUNS))
def test_no_bill_passes_a_budget_in_all_by_day_or_by_value(seed: int) -> None:
    report = spend(seed, MAX_ROWS)

    assert report.broken == []


@pytest.mark.parametrize("seed", [130, 151])
def test_a_row_of_which_a_part_is_held_is_not_left_pending(seed: int) -> None:
    assert spend(seed).broken == []


def test_a_row_dearer_than_a_whole_day_ends_the_run_and_no_day_is_waited_for() -> None:
    assert spend(473).ends == {"DayFull": 4, "DayTooSmall": 1}


def test_a_run_sleeps_over_to_the_next_day_and_no_day_pays_for_another(
    tmp_path: Path,
) -> None:
    max_cost = 100_000
    names = [f"a cup {number}" for number in range(6)]
    goods = [
        Goods(prompt=name, provider="aimlapi", resolution="1K", n=1, labels=LABELS)
        for name in names
    ]
    # The second is reserved before midnight, and its turn comes after it.
    case = replace(
        draw(0),
        goods=goods,
        ceilings=dict.fromkeys(draw(0).ceilings, max_cost),
        habits=Habits(order="random", charges="ceiling", lost=0, empty=0, refused=0),
        began=MIDNIGHT - 5,
        kills=[],
        rpm=6.0,
        run=None,
        day=Decimal(2 * max_cost * UNIT).scaleb(-9),
        waits=True,
        by={},
    )
    spree = Spree(case, tmp_path)

    live_through(spree.live)

    assert list(judge(spree)) == []
    assert spree.ends == {"ended": 1}
    days = Counter(int(-5 + sale.at) // 86_400 for sale in spree.till.sales)
    assert days == {-1: 1, 0: 2, 1: 2, 2: 1}


def test_the_runs_that_are_drawn_have_budgets_of_every_kind_and_reach_them() -> None:
    cases = [draw(seed, MAX_ROWS) for seed in range(RUNS)]

    kinds = Counter(
        kind
        for case in cases
        for kind, limit in (("run", case.run), ("day", case.day), ("by", case.by))
        if limit
    )
    assert min(kinds["run"], kinds["day"], kinds["by"]) >= 3
    assert any(case.kills for case in cases)
    assert {case.waits for case in cases} == {True, False}
    assert len({case.habits.order for case in cases}) > 3
