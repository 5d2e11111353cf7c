"""An outage leaves little money at risk: purchases without an answer stop the next."""

from __future__ import annotations

import pytest

from batchgen.limits import Breaker


def tripped() -> Breaker:
    breaker = Breaker()
    for _ in range(Breaker.TRIP):
        breaker.lost(at_risk=True)
    return breaker


def test_a_few_lost_answers_in_a_row_open_it_and_not_before() -> None:
    breaker = Breaker()

    pauses = [breaker.lost(at_risk=True) for _ in range(Breaker.TRIP)]

    assert pauses == [None] * (Breaker.TRIP - 1) + [Breaker.FIRST_S]
    assert breaker.is_open


def test_an_answer_between_them_starts_the_count_anew() -> None:
    breaker = Breaker()

    for _ in range(Breaker.TRIP * 3):
        breaker.lost(at_risk=True)
        assert not breaker.answered()

    assert not breaker.is_open


def test_failures_that_cost_nothing_do_not_open_it() -> None:
    breaker = Breaker()

    assert {breaker.lost(at_risk=False) for _ in range(100)} == {None}
    assert not breaker.is_open


@pytest.mark.parametrize("at_risk", [True, False])
def test_each_probe_that_is_lost_doubles_the_pause_up_to_a_minute(
    *, at_risk: bool
) -> None:
    breaker = tripped()

    pauses = []
    for _ in range(9):
        breaker.probing = True
        pauses.append(breaker.lost(at_risk=at_risk, is_probe=True))
        assert not breaker.probing

    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_what_left_before_it_opened_does_not_lengthen_the_pause() -> None:
    breaker = tripped()

    breaker.probing = True
    assert breaker.lost(at_risk=True) is None
    assert breaker.probing

    assert breaker.lost(at_risk=True, is_probe=True) == 2 * Breaker.FIRST_S


def test_one_answer_closes_it() -> None:
    breaker = tripped()

    assert breaker.answered()

    assert not breaker.is_open
    assert breaker.lost(at_risk=True) is None
