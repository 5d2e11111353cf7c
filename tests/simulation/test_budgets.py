"""Budgets hold against providers that charge all they may and answer in bad orders.

`python -m tests.simulation.budgets` does it a thousand times.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.budgets import draw, spend

RUNS = 30
MOST_ROWS = 36


@pytest.mark.parametrize("seed", range(RUNS))
def test_no_bill_passes_a_budget_in_all_by_day_or_by_value(seed: int) -> None:
    told = spend(seed, MOST_ROWS)

    assert told.broken == []


def test_the_runs_that_are_drawn_have_budgets_of_every_kind_and_reach_them() -> None:
    drawn = [draw(seed, MOST_ROWS) for seed in range(RUNS)]

    kinds = Counter(
        kind
        for case in drawn
        for kind, limit in (("run", case.run), ("day", case.day), ("by", case.by))
        if limit
    )
    assert min(kinds["run"], kinds["day"], kinds["by"]) >= 3
    assert any(case.kills for case in drawn)
    assert {case.waits for case in drawn} == {True, False}
    assert len({case.habits.order for case in drawn}) > 3
