"""Small nights of both providers: every law holds in each, and a seed replays exactly.

Hundreds of long ones have a command of their own: `python -m tests.simulation`.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation.__main__ import replay
from tests.simulation.audit import shown
from tests.simulation.breaks import BREAKS
from tests.simulation.night import Report, live_through_night
from tests.simulation.schedule import (
    DOWNS,
    KILLED_AT,
    Down,
    Interruption,
    Odds,
    Outage,
    Schedule,
    draw,
)

ROWS = 120


def check(report: Report, night: object) -> None:
    assert not report.broken, f"{shown(report.broken)}\n{night}"


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
@pytest.mark.parametrize("seed", range(1000, 1005))
def test_every_law_holds_in_a_night(seed: int, provider: str) -> None:
    report = live_through_night(draw(seed, ROWS, provider))

    check(report, replay(seed, ROWS, provider))


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
def test_a_night_with_a_long_outage_and_kills_ends_complete(provider: str) -> None:
    schedule = Schedule(
        seed=1,
        provider=provider,
        rows=ROWS,
        rpm=6,
        concurrency=8,
        max_unknown=20,
        max_attempts=50,
        latency_s=40.0,
        odds=Odds(throttled=0.05, error=0.05, page=0.02, lost=0.02, cut=0.05),
        outages=[Outage(300.0, 7500.0, "html")],
        interruptions=[
            Interruption(200.0, "kill", "reply", 10.0),
            Interruption(4000.0, "stop", "", 60.0),
            Interruption(8000.0, "kill", "stored", 0.0),
        ],
    )
    report = live_through_night(schedule)

    check(report, schedule)
    assert report.statuses == {"succeeded": ROWS}
    assert report.lives["killed"] == 2
    assert report.hours > 2


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
@pytest.mark.parametrize("kind", DOWNS)
def test_an_outage_of_two_hours_uses_up_no_row(kind: Down, provider: str) -> None:
    schedule = Schedule(
        seed=2,
        provider=provider,
        rows=ROWS,
        rpm=3,
        concurrency=8,
        outages=[Outage(600.0, 7800.0, kind)],
    )
    report = live_through_night(schedule)

    check(report, schedule)
    assert report.statuses == {"succeeded": ROWS}
    assert report.purchases < 1.5 * ROWS


@pytest.mark.parametrize("kind", DOWNS)
@pytest.mark.parametrize("rows", [1, 3])
def test_the_few_rows_that_are_left_outlive_an_outage(kind: Down, rows: int) -> None:
    """What was lost once is tried again only when somebody answers."""
    schedule = Schedule(
        seed=3,
        provider="aimlapi",
        rows=rows,
        concurrency=2,
        outages=[Outage(0.0, 7200.0, kind)],
    )
    report = live_through_night(schedule)

    check(report, schedule)
    # Where somebody takes questions and never answers one, or answers them in front of
    # a dead service, one of the rows is tried, and may be lost.
    may_be_held = (
        {"succeeded", "held"} if kind in ("reset", "silent", "door") else {"succeeded"}
    )
    assert set(report.statuses) <= may_be_held
    # What surely costs nothing is tried a few times before anybody is asked.
    assert report.purchases <= (5 if kind == "json" else 2) * rows


@pytest.mark.parametrize("begins_s", [1.0, 6.0, 12.0, 17.0, 19.0, 20.0, 21.0, 22.0])
def test_a_living_front_door_is_no_proof_that_the_outage_is_over(
    begins_s: float,
) -> None:
    """Early, or over the last rows: none is held, and little is asked into it."""
    at_once = 16
    schedule = Schedule(
        seed=6,
        provider="aimlapi",
        rows=150,
        concurrency=at_once,
        latency_s=2.0,
        outages=[Outage(begins_s, begins_s + 20.0, "door")],
    )
    report = live_through_night(schedule)

    check(report, schedule)
    assert report.statuses == {"succeeded": 150}
    # What was lost as it began, and a few rows that found out.
    assert report.purchases <= 150 + at_once + 8


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
def test_the_same_seed_asks_for_the_same_things_at_the_same_times(
    provider: str,
) -> None:
    once, again = (live_through_night(draw(77, 60, provider)) for _ in range(2))
    other = live_through_night(draw(78, 60, provider))

    assert once.digest == again.digest
    assert once.statuses == again.statuses
    assert once.digest != other.digest


def test_a_kill_in_the_only_image_that_was_ever_written_leaves_a_zip() -> None:
    schedule = Schedule(
        seed=4,
        provider="aimlapi",
        rows=2,
        budget=Decimal("0.7"),
        interruptions=[Interruption(0.0, "kill", "stored", 0.0)],
    )
    for seed in range(12):
        check(live_through_night(replace(schedule, seed=seed)), schedule)


def test_a_stop_before_anything_is_planned_still_counts_all_rows() -> None:
    interruptions = [Interruption(1 / 64, "stop", "", 0.0)]
    schedule = Schedule(seed=4, provider="aimlapi", rows=3, interruptions=interruptions)
    report = live_through_night(schedule)

    check(report, schedule)
    assert report.lives == {"stopped": 1, "ended": 1}


def test_a_disk_that_stalls_lets_no_more_leave_in_any_minute() -> None:
    """What was granted waits for it, and leaves in a burst."""
    schedule = Schedule(
        seed=5, provider="aimlapi", rows=ROWS, rpm=30, latency_s=2.0, stalls=0.05
    )
    report = live_through_night(schedule)

    check(report, schedule)
    assert report.max_in_a_minute > 25


@pytest.mark.parametrize("seed", [2140, 2168])
def test_a_kill_behind_a_disk_that_stalled_lets_no_more_leave(seed: int) -> None:
    """What was written down long before it left still counts after the restart."""
    check(live_through_night(draw(seed, 60)), replay(seed, 60, None))


@pytest.mark.parametrize(
    ("broken", "seed", "law"),
    [
        ("tasks-forgotten", 5, "nothing_is_bought_twice"),
        ("images-not-adopted", 3, "no_image_is_forgotten"),
        ("minute-forgotten", 0, "never_over_rate"),
        ("places-without-end", 3, "never_over_concurrency"),
        ("unknown-is-free", 0, "money_is_exact"),
        ("refused-again", 2, "refused_is_never_asked_again"),
    ],
)
def test_a_rule_that_is_broken_on_purpose_breaks_a_night(
    broken: str, seed: int, law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    BREAKS[broken](monkeypatch.setattr)

    assert law in live_through_night(draw(seed, 60)).broken


SHARES = st.sampled_from([0.0, 0.02, 0.2])
MOMENTS = st.floats(0.0, 2400.0)
OUTAGES = st.builds(
    lambda begins, lasts, kind: Outage(begins, begins + lasts, kind),
    MOMENTS,
    st.sampled_from([5.0, 120.0, 2000.0]),
    st.sampled_from(DOWNS),
)
INTERRUPTIONS = st.builds(
    Interruption,
    MOMENTS,
    st.sampled_from(["kill", "kill", "stop"]),
    st.sampled_from(KILLED_AT),
    st.sampled_from([0.0, 5.0, 600.0]),
)
ODDS = st.builds(
    Odds,
    throttled=SHARES,
    error=SHARES,
    page=SHARES,
    lost=SHARES,
    failed=SHARES,
    hangs=SHARES,
    forgotten=SHARES,
    empty=SHARES,
    gone=SHARES,
    unread=SHARES,
    cut=SHARES,
    charged=st.sampled_from([0.0, 0.5, 1.0]),
)
SCHEDULES = st.builds(
    Schedule,
    seed=st.integers(0, 1 << 32),
    provider=st.sampled_from(["aimlapi", "foxapi"]),
    rows=st.integers(1, 40),
    rpm=st.sampled_from([None, "auto", 1, 5, 60]),
    concurrency=st.sampled_from([1, 3, 16, "auto"]),
    budget=st.sampled_from([None, None, "0.1", "0.7"]).map(
        lambda value: None if value is None else Decimal(value)
    ),
    on_unknown=st.sampled_from(["retry", "hold"]),
    max_unknown=st.sampled_from([1, 20]),
    max_attempts=st.sampled_from([1, 5, 20]),
    own_rpm=st.sampled_from([None, 4, 30]),
    own_places=st.sampled_from([None, 1, 6]),
    quota=st.sampled_from([None, None, 10]),
    day_s=st.just(3600.0),
    out_of_quota=st.sampled_from([402, 429]),
    says_wait=st.booleans(),
    latency_s=st.sampled_from([0.5, 20.0, 200.0]),
    drift=st.sampled_from([1.0, 5.0]),
    refused=SHARES,
    twins=SHARES,
    link_life_s=st.sampled_from([30.0, 24 * 3600.0]),
    stalls=st.sampled_from([0.0, 0.0, 0.1]),
    odds=ODDS,
    outages=st.lists(OUTAGES, max_size=3),
    interruptions=st.lists(INTERRUPTIONS, max_size=4),
)


@settings(
    max_examples=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(SCHEDULES)
def test_every_law_holds_whatever_goes_wrong(schedule: Schedule) -> None:
    check(live_through_night(schedule), schedule)
