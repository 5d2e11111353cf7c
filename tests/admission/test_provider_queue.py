"""When a task is asked for, and in which order tries come again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.admission.next_step import Part
from batchgen.admission.provider_queue import PollPace, Retries
from batchgen.providers.base import PollSchedule

SCHEDULE = PollSchedule(first_s=3.0, every_s=3.0, factor=1.25, longest_s=15.0)


def learned(*took_s: float) -> PollPace:
    pace = PollPace()
    for seconds in took_s:
        pace.learn(seconds)
    return pace


@pytest.mark.parametrize(
    ("estimate_s", "first_s"),
    [
        pytest.param(None, 3.0, id="none-given"),
        pytest.param(6.0, 2.0, id="believed-to-a-third"),
        pytest.param(900.0, 3.0, id="but-not-beyond-the-schedule"),
        pytest.param(0.0, 0.0, id="at-once-after-a-restart"),
    ],
)
def test_before_anything_is_learned_the_estimate_is_believed_up_to_a_point(
    estimate_s: float | None, first_s: float
) -> None:
    assert PollPace().first_s(SCHEDULE, estimate_s) == first_s


def test_the_first_poll_comes_before_a_typical_task_is_done() -> None:
    assert learned(30.0).first_s(SCHEDULE, 900.0) == 18.0
    assert learned(0.1).first_s(SCHEDULE, None) == 0.5
    assert learned(3000.0).first_s(SCHEDULE, None) == 60.0


def test_one_odd_task_moves_what_is_typical_only_a_little() -> None:
    assert learned(10.0, 110.0).first_s(SCHEDULE, None) == pytest.approx(0.6 * 30.0)


def test_waits_between_polls_grow_to_the_longest_and_never_beyond() -> None:
    waits = [PollPace().every_s(SCHEDULE, polls) for polls in range(12)]

    assert waits[0] == 3.0
    assert waits == sorted(waits)
    assert waits[-1] == 15.0


@given(
    took_s=st.lists(st.floats(0, 1e6), max_size=5),
    polls=st.integers(0, 10**9),
    estimate_s=st.none() | st.floats(0, 3600),
)
def test_no_history_makes_polls_hammer_or_stop(
    took_s: list[float], polls: int, estimate_s: float | None
) -> None:
    pace = learned(*took_s)

    assert 0.5 <= pace.every_s(SCHEDULE, polls) <= SCHEDULE.longest_s
    assert 0.0 <= pace.first_s(SCHEDULE, estimate_s) <= 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_parts_come_again_when_they_are_due_soonest_first() -> None:
    clock = Clock()
    retries = Retries(clock)
    late, soon = Part(1, 1, 1), Part(2, 3, 2)
    retries.add(late, 9.0)
    retries.add(soon, 4.0)

    assert retries.take_due() is None
    assert (retries.next_in_s(), len(retries)) == (4.0, 2)

    clock.now += 10
    assert [retries.take_due(), retries.take_due()] == [soon, late]
    assert retries.take_due() is None
    assert retries.next_in_s() is None
