"""An answer is too quick for a purchase only where that is sure."""

from __future__ import annotations

import pytest

from batchgen.limits import BESIDE_S, ReplyTimes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("purchase_s", "answer_s", "is_too_quick"),
    [
        pytest.param(2.0, 0.005, True, id="at-once"),
        pytest.param(2.0, 1.9, False, id="as-long-as-a-purchase"),
        pytest.param(0.1, 0.001, False, id="purchases-take-no-time"),
        pytest.param(60.0, 0.2, True, id="at-once-beside-slow-purchases"),
        pytest.param(9.0, 2.0, False, id="seconds-beside-slow-purchases"),
        pytest.param(60.0, 12.0, False, id="many-seconds-beside-very-slow-ones"),
    ],
)
def test_what_took_seconds_may_have_been_bought(
    purchase_s: float, answer_s: float, *, is_too_quick: bool
) -> None:
    """However long other purchases take: it may have been passed on and lost."""
    times = ReplyTimes(lambda: 0.0)
    times.record_success(0.0, purchase_s)

    assert times.is_too_quick(answer_s) is is_too_quick


@pytest.mark.parametrize(
    ("successes", "says"),
    [
        pytest.param([9.0, 11.0], True, id="before-and-after"),
        pytest.param([9.0], False, id="before-alone"),
        pytest.param([11.0], False, id="after-alone"),
        pytest.param([4.0, 11.0], False, id="long-before"),
        pytest.param([9.0, 16.0], False, id="long-after"),
    ],
)
def test_others_succeed_beside_it_only_before_and_after(
    successes: list[float], *, says: bool
) -> None:
    clock = Clock()
    times = ReplyTimes(clock)
    clock.now = 30.0
    for sent_at in successes:
        times.record_success(sent_at, 2.0)

    assert times.others_succeed(10.0) is says


def test_what_left_before_the_answer_came_is_not_later() -> None:
    """An outage may begin between a request and its answer, half a second later."""
    clock = Clock()
    times = ReplyTimes(clock)
    clock.now = 30.0
    times.record_success(9.9, 2.0)
    times.record_success(10.1, 2.0)

    assert times.others_succeed(10.0, 0.5) is False

    times.record_success(10.6, 2.0)

    assert times.others_succeed(10.0, 0.5) is True


def test_before_a_success_nobody_knows_what_is_too_quick() -> None:
    times = ReplyTimes(lambda: 0.0)

    assert times.is_too_quick(0.01) is None
    assert times.is_too_quick(2.0) is False


def test_one_that_is_waited_for_was_passed_on() -> None:
    clock = Clock()
    times = ReplyTimes(clock)
    times.record_success(9.0, 2.0)
    times.record_sent(1, 11.0)
    clock.now = 11.1

    assert times.others_succeed(10.0) is None

    clock.now = 12.0

    assert times.others_succeed(10.0) is True

    times.record_answer(1)  # by a 503, too
    clock.now = 30.0

    assert times.others_succeed(10.0) is False


def test_while_one_may_still_leave_beside_it_nobody_knows() -> None:
    clock = Clock()
    times = ReplyTimes(clock)
    clock.now = 10.0 + BESIDE_S

    assert times.others_succeed(10.0) is None
