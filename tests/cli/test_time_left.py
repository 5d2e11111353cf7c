"""The time left that is shown never grows without its reason."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from batchgen.cli.meter import Meter, View
from batchgen.model import Status
from batchgen.runner.progress import Progress


def running(rows: int) -> Progress:
    progress = Progress(total=rows, phase="running")
    progress.rows[Status.PENDING] = rows
    return progress


def end_rows(progress: Progress, count: int) -> None:
    progress.stored_images += count
    for _ in range(count):
        progress.count_status(Status.SUCCEEDED)


def views_of(seed: int) -> list[View]:
    """Return what is seen of a run whose pace, size and troubles change at random."""
    rng = random.Random(seed)
    progress = running(2000)
    meter, views, now, shown_at, pace = Meter(progress), [], 0.0, 0.0, 1.0
    while progress.rows[Status.PENDING] > 0 and now < 4 * 3600:
        now += 0.25
        if rng.random() < 0.002:
            pace = rng.choice([0.0, 0.02, 0.3, 3.0])
        if rng.random() < 0.0005:
            progress.total += 100
            progress.rows[Status.PENDING] += 100
        if rng.random() < pace / 4:
            end_rows(progress, 1)
        view = meter.view(now)
        if now >= shown_at:
            views.append(view)
            shown_at = now + rng.choice([0.25, 1.0, 10.0, 60.0])
    return views


@pytest.mark.parametrize("seed", range(5))
def test_whenever_it_is_shown_larger_than_before_a_reason_stands_beside_it(
    seed: int,
) -> None:
    shown = [view for view in views_of(seed) if view.left_s is not None]

    grown = [
        later
        for before, later in pairwise(shown)
        if (later.left_s or 0) > (before.left_s or 0)
    ]

    assert grown
    for view in grown:
        assert view.left_reason
        assert f"left ({view.left_reason})" in view.line()


def test_what_the_run_waits_for_is_the_reason() -> None:
    progress = running(10)
    progress.wait_reasons = lambda: ["waiting for images of 2 purchases at cdn.example"]
    meter = Meter(progress)
    meter.view(1.0)
    end_rows(progress, 4)
    assert meter.view(9.0).line().endswith("12 left")

    view = meter.view(300.0)

    assert "left (waiting for images of 2 purchases at cdn.example)" in view.line()


def test_a_run_without_a_pace_says_what_it_waits_for() -> None:
    progress = running(10)
    progress.wait_reasons = lambda: ["aimlapi does not answer"]
    meter = Meter(progress)
    meter.view(1.0)

    assert meter.view(60.0).line().endswith("aimlapi does not answer")


def test_small_changes_of_the_pace_are_not_shown() -> None:
    progress = running(100)
    meter = Meter(progress)
    meter.view(1.0)
    end_rows(progress, 10)
    before = meter.view(11.0)

    later = meter.view(12.0)

    assert (later.left_s, later.left_reason) == (before.left_s, "")


def test_the_first_rows_set_no_time_that_must_be_taken_back() -> None:
    progress = running(10)
    meter = Meter(progress)
    lines = []
    for tick in range(4, 120):
        now = tick / 4
        if now % 3 == 0 or now == 1.25:  # the first row need not wait for the pace
            end_rows(progress, 1)
        lines.append(meter.view(now).line())

    assert [line for line in lines if "left" in line]
    assert [line for line in lines if "more slowly" in line] == []


def test_a_reason_goes_when_less_time_is_left_than_before_there_was_one() -> None:
    progress = running(1000)
    meter = Meter(progress)
    meter.view(0.0)
    end_rows(progress, 100)
    assert meter.view(10.0).left_s == 90.0
    assert meter.view(15.0).left_reason == "rows end more slowly than before"

    end_rows(progress, 150)

    assert meter.view(25.0).line().endswith("1:15 left")


def test_a_reason_leaves_room_for_the_bar() -> None:
    reason = "waiting for images of 12 purchases at a-long-name.cdn.example"
    progress = running(221)
    progress.wait_reasons = lambda: [reason]
    meter = Meter(progress)
    meter.view(0.0)
    end_rows(progress, 94)
    meter.view(10.0)

    view = meter.view(300.0)

    assert view.beside_the_bar() == "94 of 221 rows, 6:45 left"
    assert view.below_the_bar().splitlines()[1] == reason
