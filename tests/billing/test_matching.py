"""Purchases without an id find their lines by time and amount, as many as can."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.billing.bill import BillLine
from batchgen.billing.matching import Claim, Matching, match

PRICE, CEILING = 40, 60


def charged(number: int, first: int, last: int, cost: int = PRICE) -> Claim:
    return Claim(attempt_id=number, cost=cost, max_nano=CEILING, first=first, last=last)


def at_risk(
    number: int, first: int, last: int, max_nano: int | None = CEILING
) -> Claim:
    return Claim(
        attempt_id=number, cost=None, max_nano=max_nano, first=first, last=last
    )


def line(number: int, at: int, nano: int = PRICE) -> BillLine:
    return BillLine(number, None, at, nano)


def pairs(matching: Matching) -> dict[int, int]:
    """Return numbers of attempts with those of their lines."""
    return {claim.attempt_id: line.number for claim, line in matching.line_of.items()}


@pytest.mark.parametrize(
    ("claims", "lines", "expected"),
    [
        pytest.param([at_risk(1, 0, 9)], [line(1, 5, 59)], {1: 1}, id="below-ceiling"),
        pytest.param([at_risk(1, 0, 9)], [line(1, 5, 61)], {}, id="above-its-ceiling"),
        pytest.param([at_risk(1, 0, 9)], [line(1, 10)], {}, id="after-its-time"),
        pytest.param([at_risk(1, 0, 9)], [line(1, 5, -40)], {}, id="money-back"),
        pytest.param([at_risk(1, 0, 9, None)], [line(1, 5, 99)], {1: 1}, id="unpriced"),
        pytest.param(
            [at_risk(1, 0, 9), charged(2, 0, 9)],
            [line(1, 5)],
            {2: 1},
            id="known-first",
        ),
        pytest.param(
            [charged(1, 0, 9), at_risk(2, 0, 5)],
            [line(1, 3), line(2, 7)],
            {1: 2, 2: 1},
            id="a-known-one-makes-room",
        ),
        pytest.param(
            [charged(1, 0, 9), charged(2, 4, 20), at_risk(3, 0, 3)],
            [line(1, 2), line(2, 8), line(3, 15)],
            {1: 2, 2: 3, 3: 1},
            id="room-is-made-along-a-chain",
        ),
        pytest.param(
            [at_risk(1, 0, 9, 45), at_risk(2, 0, 9, 60)],
            [line(1, 4, 40), line(2, 5, 60)],
            {1: 1, 2: 2},
            id="the-dearer-line-is-for-who-may-cost-it",
        ),
        pytest.param(
            [charged(1, 0, 9, cost=30)], [line(1, 5)], {1: 1}, id="by-time-alone"
        ),
        pytest.param(
            [charged(1, 0, 9, cost=30), at_risk(2, 0, 9)],
            [line(1, 5)],
            {2: 1},
            id="by-amount-before-by-time-alone",
        ),
    ],
)
def test_lines_go_to_who_can_account_for_them(
    claims: list[Claim], lines: list[BillLine], expected: dict[int, int]
) -> None:
    matching = match(claims, lines)

    assert pairs(matching) == expected
    assert len(matching.free) == len(lines) - len(expected)


def test_a_line_that_could_be_another_ones_is_named_so() -> None:
    both = [at_risk(1, 0, 9), at_risk(2, 0, 9), at_risk(3, 20, 29)]
    lines = [line(1, 5), line(2, 25)]

    matching = match(both, lines)

    assert matching.shared == {lines[0]}


_moments = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted)
_claims = st.tuples(
    st.sampled_from([None, None, 1, 2]), st.sampled_from([1, 2, 3]), _moments
)
_lines = st.builds(
    BillLine, st.just(0), st.none(), st.integers(0, 12), st.integers(1, 3)
)


@settings(max_examples=100, deadline=None)
@given(purchases=st.lists(_claims, max_size=8), bill_lines=st.lists(_lines, max_size=8))
def test_no_way_to_match_accounts_for_more(
    purchases: list[tuple[int | None, int, list[int]]], bill_lines: list[BillLine]
) -> None:
    claims = [
        Claim(attempt_id=key, cost=cost, max_nano=max_nano, first=first, last=last)
        for key, (cost, max_nano, (first, last)) in enumerate(purchases)
    ]
    lines = [
        BillLine(key, None, line.at, line.nano) for key, line in enumerate(bill_lines)
    ]

    matching = match(claims, lines)

    exact = {name: line for name, line in matching.line_of.items() if name.may_be(line)}
    assert len(set(matching.line_of.values())) == len(matching.line_of)
    assert {*matching.free} == {*lines} - {*matching.line_of.values()}
    certain = [claim for claim in claims if claim.cost is not None]
    assert sum(amount.cost is not None for amount in exact) == most_of(certain, lines)
    assert len(exact) == most_of(claims, lines)


def most_of(claims: Sequence[Claim], lines: Sequence[BillLine]) -> int:
    """Return how many can be matched at their own amounts, by trying all ways."""
    owner: dict[BillLine, Claim] = {}

    def place(claim: Claim, seen: set[BillLine]) -> bool:
        for line in lines:
            if line in seen or not claim.may_be(line):
                continue
            seen.add(line)
            if line not in owner or place(owner[line], seen):
                owner[line] = claim
                return True
        return False

    return sum(place(claim, set()) for claim in claims)
