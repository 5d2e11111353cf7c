"""An answer is too quick for a purchase only where that is sure."""

from __future__ import annotations

import pytest

from batchgen.limits import ReplyTimes


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
    times.succeeded(purchase_s)

    assert times.is_too_quick(answer_s) is is_too_quick


def test_before_a_success_no_answer_is_too_quick() -> None:
    assert not ReplyTimes(lambda: 0.0).is_too_quick(0.001)
