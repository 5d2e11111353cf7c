"""An outage uses up no rows and leaves little at risk; one bad row is no outage."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.limits import CircuitBreaker, Failures, Outage

HOUR_S = 3600.0
NOW = 1000.0


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(clock)


@pytest.fixture
def tripped(breaker: CircuitBreaker) -> CircuitBreaker:
    for number in range(CircuitBreaker.TRIP):
        breaker.record_loss(number, number, NOW)
    return breaker


def probes_until(breaker: CircuitBreaker, clock: Clock, end: float) -> list[float]:
    """Let every probe be lost, each of another row; return the pauses."""
    pauses: list[float] = []
    while clock.now < end:
        breaker.probing = True
        verdict = breaker.record_loss(len(pauses), len(pauses), NOW, is_probe=True)
        assert not breaker.probing
        assert verdict.pause_s is not None
        pauses.append(verdict.pause_s)
        clock.now += verdict.pause_s
    return pauses


# -- the breaker


def test_a_few_lost_answers_in_a_row_open_it_and_not_before(
    breaker: CircuitBreaker,
) -> None:
    pauses = [
        breaker.record_loss(index, index, NOW).pause_s
        for index in range(CircuitBreaker.TRIP)
    ]

    assert pauses == [None] * (CircuitBreaker.TRIP - 1) + [CircuitBreaker.FIRST_S]
    assert breaker.is_open


def test_failures_among_answers_never_open_it(breaker: CircuitBreaker) -> None:
    for number in range(CircuitBreaker.TRIP * 20):
        verdict = breaker.record_loss(number, number, NOW)
        assert (verdict.pause_s, verdict.waived) == (None, ())
        if number % (CircuitBreaker.TRIP - 1) == 0:
            assert not breaker.record_success(NOW)

    assert not breaker.is_open


def test_pauses_double_to_a_minute_and_then_grow_with_the_outage(
    tripped: CircuitBreaker, clock: Clock
) -> None:
    clock.now += CircuitBreaker.FIRST_S

    pauses = probes_until(tripped, clock, clock.now + 2 * HOUR_S)

    assert pauses[:6] == [2, 4, 8, 16, 32, 60]
    assert pauses == sorted(pauses)
    assert 60 < pauses[-1] <= 600
    assert len(pauses) <= 45


def test_no_pause_is_longer_than_ten_minutes(
    tripped: CircuitBreaker, clock: Clock
) -> None:
    assert max(probes_until(tripped, clock, clock.now + 48 * HOUR_S)) == 600


def test_what_left_before_it_opened_does_not_lengthen_the_pause(
    tripped: CircuitBreaker,
) -> None:
    tripped.probing = True
    assert tripped.record_loss(7, 7, NOW).pause_s is None
    assert tripped.probing

    assert (
        tripped.record_loss(8, 8, NOW, is_probe=True).pause_s
        == 2 * CircuitBreaker.FIRST_S
    )


def test_one_answer_closes_it_and_the_next_outage_begins_anew(
    tripped: CircuitBreaker, clock: Clock
) -> None:
    probes_until(tripped, clock, clock.now + HOUR_S)

    assert tripped.record_success(NOW)
    assert not tripped.is_open
    assert not tripped.record_success(NOW)

    pauses = [
        tripped.record_loss(index, index, NOW).pause_s
        for index in range(CircuitBreaker.TRIP)
    ]
    assert pauses == [None] * (CircuitBreaker.TRIP - 1) + [CircuitBreaker.FIRST_S]


def test_what_left_before_the_last_loss_did_proves_nothing(
    tripped: CircuitBreaker, clock: Clock
) -> None:
    assert not tripped.record_success(NOW - 1)
    assert tripped.is_open

    assert tripped.record_success(NOW + 1)


def test_an_answer_that_is_no_success_leaves_it_open(tripped: CircuitBreaker) -> None:
    tripped.probing = True

    assert tripped.record_answer(is_probe=True) == CircuitBreaker.FIRST_S
    assert tripped.is_open
    assert not tripped.probing


def test_the_wait_before_a_last_loss_is_risked_doubles_with_each(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    breaker.record_loss(1, None, NOW)
    waits = [breaker.risk_left_s()]
    for number in range(5):
        clock.now += waits[-1]
        assert breaker.risk_left_s() == 0
        breaker.record_loss(2 + number, None, clock.now, is_probe=True)
        waits.append(breaker.risk_left_s())

    assert waits == [60, 120, 240, 480, 600, 600]


def test_a_row_that_may_be_lost_once_more_does_not_lengthen_that_wait(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    breaker.record_loss(1, None, NOW)
    clock.now += 1
    breaker.record_loss(2, None, clock.now, is_probe=True)

    assert breaker.risk_left_s() == CircuitBreaker.RISK_S


# -- who is excused


def test_whoever_belongs_to_the_outage_is_excused_those_before_it_too(
    breaker: CircuitBreaker,
) -> None:
    waived = [
        breaker.record_loss(index, 10 + index, NOW).waived
        for index in range(CircuitBreaker.TRIP + 2)
    ]

    assert waived[: CircuitBreaker.TRIP - 1] == [()] * (CircuitBreaker.TRIP - 1)
    assert waived[CircuitBreaker.TRIP - 1 :] == [(10, 11, 12, 13, 14), (15,), (16,)]


def test_what_may_have_been_charged_is_not_excused(breaker: CircuitBreaker) -> None:
    for number in range(CircuitBreaker.TRIP - 1):
        breaker.record_loss(number, number if number % 2 else None, NOW)

    assert breaker.record_loss(9, None, NOW).waived == (1, 3)


def test_a_row_that_fails_alone_fails_for_its_own_sake(breaker: CircuitBreaker) -> None:
    assert {breaker.record_loss(1, index, NOW).waived for index in range(100)} == {()}

    # Another one that fails, too, is what makes an outage of it.
    assert breaker.record_loss(2, 100, NOW).waived == (96, 97, 98, 99, 100)


def test_a_question_that_nobody_answers_opens_it_and_clears_a_row_alone(
    breaker: CircuitBreaker,
) -> None:
    breaker.record_loss(1, 1, NOW)

    verdicts = [breaker.record_silence() for _ in range(CircuitBreaker.TRIP)]

    assert [verdict.opened for verdict in verdicts] == [True] + [False] * (
        CircuitBreaker.TRIP - 1
    )
    assert [verdict.pause_s for verdict in verdicts] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert [verdict.waived for verdict in verdicts if verdict.waived] == [(1,)]


def test_rows_that_failed_while_others_succeeded_make_no_outage(
    breaker: CircuitBreaker,
) -> None:
    for _ in range(Outage.SUSPECT):
        breaker.record_loss(1, 1, NOW)
        breaker.record_loss(2, 2, NOW)
        breaker.record_success(NOW)

    verdicts = [
        breaker.record_loss(1 + number % 2, number, NOW) for number in range(20)
    ]

    assert {verdict.waived for verdict in verdicts} == {()}
    # One that did not yet: then it is everybody's.
    assert breaker.record_loss(3, 20, NOW).waived == ()
    assert breaker.record_loss(4, 21, NOW).waived == (17, 18, 19, 20, 21)


def test_who_does_not_answer_questions_is_under_no_suspicion(
    breaker: CircuitBreaker,
) -> None:
    for _ in range(Outage.SUSPECT + 1):
        breaker.record_loss(1, 1, NOW)
        verdicts = [breaker.record_silence() for _ in range(CircuitBreaker.TRIP)]
        breaker.record_success(NOW)

    breaker.record_loss(9, 9, NOW)
    verdicts = [breaker.record_silence() for _ in range(CircuitBreaker.TRIP)]

    assert [verdict.waived for verdict in verdicts if verdict.waived] == [(9,)]


def test_what_rows_did_is_forgotten_before_it_fills_the_memory(clock: Clock) -> None:
    outage = Outage(clock)
    for number in range(3 * Outage.MAX_ROWS):
        outage.record_failure(number)
        if number % 2:
            outage.record_success()

    assert len(outage._outlived) == Outage.MAX_ROWS
    assert 2 * Outage.MAX_ROWS in outage._outlived


def test_after_hours_attempts_count_again_so_a_run_comes_to_its_end(
    tripped: CircuitBreaker, clock: Clock
) -> None:
    clock.now += Outage.PATIENCE_S
    assert tripped.record_loss(1, 1, NOW, is_probe=True).waived == (1,)
    clock.now += 1

    assert tripped.record_loss(1, 2, NOW, is_probe=True).waived == ()


def test_the_age_of_an_outage_is_that_of_its_first_failure(clock: Clock) -> None:
    outage = Outage(clock)
    assert outage.age_s == 0
    outage.record_failure(1)
    clock.now += 30
    outage.record_failure(2)
    assert outage.age_s == 30

    outage.record_success()

    assert outage.age_s == 0
    assert not outage.is_on


# -- nearly every row fails


@pytest.mark.parametrize(
    ("share", "max_failures"), [(0.9, 45), (1.0, 50), (0.5, 25), (0.02, 1), (0.89, 45)]
)
def test_a_run_stops_when_that_share_of_the_last_fifty_failed(
    share: float, max_failures: int
) -> None:
    failures = Failures(share)
    for _ in range(50 - max_failures + 1):
        failures.record_end(well=True)
    for _ in range(max_failures - 1):
        failures.record_end(well=False)
    assert not failures.are_too_many

    failures.record_end(well=False)

    assert failures.are_too_many
    assert failures.count == max_failures


def test_fewer_than_fifty_rows_never_stop_a_run() -> None:
    failures = Failures(0.1)
    for _ in range(49):
        failures.record_end(well=False)
        assert not failures.are_too_many


def test_without_a_share_nothing_stops_it() -> None:
    failures = Failures(None)
    for _ in range(1000):
        failures.record_end(well=False)

    assert not failures.are_too_many


@given(st.lists(st.booleans(), min_size=50, max_size=200))
def test_only_the_last_fifty_count(ends: list[bool]) -> None:
    failures = Failures(0.9)
    for well in ends:
        failures.record_end(well=well)

    assert failures.are_too_many == (ends[-50:].count(False) >= 45)
