"""What follows for a part of a row, from its attempts; and how long to wait for it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.admission.next_step import (
    Buy,
    Decision,
    Leave,
    Part,
    Policy,
    RowEnd,
    decide,
    history_of,
    missing_parts,
    wait_s,
)
from batchgen.errors import Again, Charge
from batchgen.ledger import AttemptRecord
from batchgen.model import OPEN, State, Status

POLICY = Policy(max_attempts=5, on_unknown="retry", max_unknown=1)


def attempt(
    state: State = State.FAILED,
    error: str = "provider_down",
    again: Again = Again.LATER,
    *,
    counts: bool = True,
) -> AttemptRecord:
    return AttemptRecord(
        attempt_id=1,
        row_id=1,
        first_image=1,
        images=1,
        state=state,
        provider="acme",
        model="acme-1",
        base_url="https://api.acme.example",
        aspect_ratio=None,
        resolution="1K",
        expected=10,
        ceiling=15,
        task_id=None,
        request_id=None,
        charge=Charge.NONE,
        cost=0,
        again=again,
        counts=counts,
        error=error,
        message="words",
        warning=None,
        sent_at=0,
        accepted_at=None,
        ended_at=1,
        latency_s=None,
    )


DOWN = attempt()
EXCUSED = replace(DOWN, waived=True)
THROTTLED = attempt(State.REJECTED, "throttled", counts=False)
UNSENT = attempt(State.REJECTED, "not_connected", counts=False)
EMPTY = attempt(State.FAILED, "no_image", Again.NOW)
UNKNOWN = attempt(State.UNKNOWN, "outcome_unknown")
OVERDUE = attempt(State.OVERDUE, "task_overdue", Again.NEVER)
LOST = attempt(State.UNKNOWN, "task_lost", Again.NEVER)
REFUSED = attempt(State.FAILED, "refused", Again.NEVER)
INVALID = attempt(State.FAILED, "request_invalid", Again.NEVER)
GONE = attempt(State.FAILED, "link_lost", Again.NEVER)
NO_KEY = attempt(State.REJECTED, "credential_rejected", Again.STOP, counts=False)


def settled(status: Status, error: str) -> RowEnd:
    return RowEnd(status, error, "words")


@pytest.mark.parametrize(
    ("history", "decision"),
    [
        pytest.param([], Buy(0), id="never-tried"),
        pytest.param([DOWN], Buy(1), id="down-once"),
        pytest.param([DOWN] * 4, Buy(4), id="one-try-is-left"),
        pytest.param(
            [DOWN] * 5,
            settled(Status.FAILED, "provider_down"),
            id="max-attempts-are-made",
        ),
        pytest.param([EXCUSED] * 50, Buy(50), id="an-outage-does-not-count"),
        pytest.param([DOWN] * 4 + [EXCUSED] * 9, Buy(13), id="an-outage-in-between"),
        pytest.param([THROTTLED] * 50, Buy(50), id="throttles-do-not-count"),
        pytest.param([UNSENT] * 50, Buy(50), id="what-never-left-does-not-count"),
        pytest.param([DOWN] * 4 + [THROTTLED], Buy(5), id="throttled-in-between"),
        pytest.param([EMPTY], Buy(1), id="no-image-is-asked-again"),
        pytest.param(
            [EMPTY, EMPTY], settled(Status.FAILED, "no_image"), id="but-only-once"
        ),
        pytest.param(
            [EMPTY, THROTTLED, EMPTY],
            settled(Status.FAILED, "no_image"),
            id="also-with-a-throttle-between",
        ),
        pytest.param(
            [EMPTY, DOWN, EMPTY],
            settled(Status.FAILED, "no_image"),
            id="also-with-a-failure-between",
        ),
        pytest.param(
            [REFUSED], settled(Status.REFUSED, "refused"), id="refused-is-the-end"
        ),
        pytest.param(
            [DOWN, REFUSED], settled(Status.REFUSED, "refused"), id="refused-later"
        ),
        pytest.param(
            [INVALID], settled(Status.FAILED, "request_invalid"), id="invalid"
        ),
        pytest.param(
            [GONE], settled(Status.FAILED, "link_lost"), id="lost-link-is-not-rebought"
        ),
        pytest.param([NO_KEY], Leave(), id="no-key-leaves-the-row"),
        pytest.param([DOWN, NO_KEY], Leave(), id="no-key-after-a-failure"),
        pytest.param([UNKNOWN], Buy(1), id="unknown-once"),
        pytest.param(
            [UNKNOWN, UNKNOWN],
            settled(Status.HELD, "outcome_unknown"),
            id="unknown-twice",
        ),
        pytest.param([UNKNOWN, DOWN], Buy(2), id="unknown-and-then-down"),
        pytest.param(
            [UNKNOWN, THROTTLED, UNKNOWN],
            settled(Status.HELD, "outcome_unknown"),
            id="unknown-again",
        ),
        pytest.param(
            [OVERDUE], settled(Status.HELD, "task_overdue"), id="overdue-is-held"
        ),
        pytest.param([LOST], settled(Status.HELD, "task_lost"), id="lost-task-is-held"),
    ],
)
def test_decision_by_history(
    history: Sequence[AttemptRecord], decision: Decision
) -> None:
    assert decide(history, POLICY, "acme") == decision


@pytest.mark.parametrize(
    ("policy", "history", "decision"),
    [
        pytest.param(
            replace(POLICY, on_unknown="hold"),
            [UNKNOWN],
            settled(Status.HELD, "outcome_unknown"),
            id="hold-never-buys-again",
        ),
        pytest.param(
            replace(POLICY, max_unknown=0),
            [UNKNOWN],
            settled(Status.HELD, "outcome_unknown"),
            id="none-again",
        ),
        pytest.param(
            replace(POLICY, max_unknown=3), [UNKNOWN] * 3, Buy(3), id="three-again"
        ),
        pytest.param(
            replace(POLICY, max_unknown=3),
            [UNKNOWN] * 4,
            settled(Status.HELD, "outcome_unknown"),
            id="but-not-four",
        ),
        pytest.param(
            replace(POLICY, max_unknown=9),
            [UNKNOWN] * 5,
            settled(Status.HELD, "outcome_unknown"),
            id="max-attempts-hold-too",
        ),
        pytest.param(
            replace(POLICY, max_unknown=9),
            [DOWN] * 4 + [UNKNOWN],
            settled(Status.HELD, "outcome_unknown"),
            id="unknown-as-the-last-attempt-is-held-not-failed",
        ),
        pytest.param(
            replace(POLICY, max_unknown=9),
            [LOST],
            settled(Status.HELD, "task_lost"),
            id="a-lost-task-is-not-retried",
        ),
        pytest.param(
            replace(POLICY, max_attempts=1),
            [THROTTLED, DOWN],
            settled(Status.FAILED, "provider_down"),
            id="one-attempt",
        ),
    ],
)
def test_decision_by_what_the_job_allows(
    policy: Policy, history: Sequence[AttemptRecord], decision: Decision
) -> None:
    assert decide(history, policy, "acme") == decision


HISTORIES = st.lists(
    st.sampled_from([DOWN, THROTTLED, UNSENT, EMPTY, UNKNOWN, OVERDUE, REFUSED, NO_KEY])
)


@given(
    HISTORIES,
    st.integers(1, 4),
    st.sampled_from(["retry", "hold"]),
    st.integers(0, 3),
)
def test_no_history_allows_more_purchases_than_the_job(
    history: list[AttemptRecord], max_attempts: int, on_unknown: str, unknown: int
) -> None:
    policy = Policy(
        max_attempts=max_attempts,
        on_unknown="retry" if on_unknown == "retry" else "hold",
        max_unknown=unknown,
    )

    if isinstance(decide(history, policy, "acme"), Buy):
        last = history[-1] if history else None
        assert sum(attempt.counts for attempt in history) < max_attempts
        assert sum(attempt.error == "no_image" for attempt in history) < 2
        assert last not in (OVERDUE, REFUSED, NO_KEY)
        assert last != UNKNOWN or on_unknown == "retry"


# -- which attempts count


def test_only_attempts_since_the_last_retry_count() -> None:
    attempts = [replace(DOWN, attempt_id=number) for number in range(1, 8)]

    history = history_of(attempts, Part(1, 1, 1), tries_from=5)

    assert [attempt.attempt_id for attempt in history] == [6, 7]
    assert decide(history, POLICY, "acme") == Buy(2)


def test_a_refusal_may_be_tried_again_after_retry() -> None:
    history = history_of([replace(REFUSED, attempt_id=3)], Part(1, 1, 1), tries_from=3)

    assert decide(history, POLICY, "acme") == Buy(0)


def test_only_attempts_that_ended_without_images_are_history() -> None:
    attempts = [attempt(state) for state in State]

    history = history_of(attempts, Part(1, 1, 1), tries_from=0)

    assert {attempt.state for attempt in history} == set(State) - OPEN - {State.STORED}


def test_only_attempts_at_the_same_images_are_history() -> None:
    attempts = [
        DOWN,
        replace(DOWN, attempt_id=2, first_image=2, images=2),
        replace(DOWN, attempt_id=3, first_image=4),
    ]

    def numbers(first: int, images: int) -> list[int]:
        part = Part(1, first, images)
        return [
            attempt.attempt_id for attempt in history_of(attempts, part, tries_from=0)
        ]

    assert numbers(1, 1) == [1]
    assert numbers(3, 1) == [2]
    assert numbers(3, 2) == [2, 3]
    assert numbers(1, 4) == [1, 2, 3]


# -- what is missing


def parts(
    n: int, have: set[int], busy: Sequence[AttemptRecord] = (), max_images: int = 1
) -> list[tuple[int, int]]:
    missing = missing_parts(7, n, have, busy, max_images)
    return [(part.first_image, part.images) for part in missing]


@pytest.mark.parametrize(
    ("n", "have", "max_images", "expected"),
    [
        pytest.param(1, set(), 1, [(1, 1)], id="one"),
        pytest.param(1, {1}, 1, [], id="none-missing"),
        pytest.param(3, set(), 1, [(1, 1), (2, 1), (3, 1)], id="one-by-one"),
        pytest.param(3, set(), 4, [(1, 3)], id="all-in-one"),
        pytest.param(5, set(), 2, [(1, 2), (3, 2), (5, 1)], id="two-by-two"),
        pytest.param(5, {3}, 4, [(1, 2), (4, 2)], id="around-what-is-there"),
        pytest.param(4, {1, 4}, 4, [(2, 2)], id="between"),
    ],
)
def test_what_is_missing_is_bought_in_parts_that_the_provider_takes(
    n: int, have: set[int], max_images: int, expected: list[tuple[int, int]]
) -> None:
    assert parts(n, have, max_images=max_images) == expected


@pytest.mark.parametrize("state", list(State))
def test_what_an_open_attempt_may_still_bring_is_not_missing(state: State) -> None:
    busy = [replace(attempt(state), first_image=2, images=2)]

    missing = parts(4, set(), busy, max_images=4)

    assert missing == ([(1, 1), (4, 1)] if state in OPEN else [(1, 4)])


@given(
    n=st.integers(1, 10),
    have=st.sets(st.integers(1, 10)),
    max_images=st.integers(1, 5),
)
def test_parts_cover_exactly_what_is_missing(
    n: int, have: set[int], max_images: int
) -> None:
    missing = list(missing_parts(7, n, have, [], max_images))

    images = [image for part in missing for image in part.span]
    assert images == [image for image in range(1, n + 1) if image not in have]
    assert all(part.images <= max_images and part.row_id == 7 for part in missing)


# -- waits


@given(
    tries=st.integers(1, 10_000),
    floor_s=st.none() | st.floats(0, 10_000),
    seed=st.integers(),
)
def test_a_wait_grows_with_the_tries_to_a_minute_and_is_never_below_the_floor(
    tries: int, floor_s: float | None, seed: int
) -> None:
    wait = wait_s(tries, floor_s, random.Random(seed))

    longest = min(0.5 * 2 ** min(tries - 1, 10), 60.0)
    assert wait >= (floor_s or 0.0)
    assert wait <= max(longest, floor_s or 0.0)
    assert wait >= longest / 2


def test_the_first_purchase_waits_for_nothing_but_the_provider() -> None:
    assert wait_s(0, None, random.Random(1)) == 0
    assert wait_s(0, 4.5, random.Random(1)) == 4.5


def test_waits_of_rows_that_failed_together_are_spread() -> None:
    rng = random.Random(1)

    waits = {wait_s(3, None, rng) for _ in range(100)}

    assert len(waits) > 90
    assert max(waits) - min(waits) > 0.5
