"""A kill at any boundary of a row's life loses nothing and buys nothing in silence.

Every case of every mode: `python -m tests.crash.matrix`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import pytest

from batchgen.limits import CircuitBreaker
from batchgen.sandbox import start_sandbox
from tests.crash.ground import Customer, Ground
from tests.crash.modes import MODES, Case, cases_of, loss_at, power_cases
from tests.crash.points import POINTS
from tests.crash.power import POWER_POINTS
from tests.crash.stable import open_stable


def chosen() -> list[Case]:
    """Return one case for each point: of a first run, or else while resuming.

    Modes take turns. What a point may lose is told exactly in a run of one row; points
    that lose nothing are met there or among other rows, in turn.
    """
    turn, alone = cycle(MODES), cycle([True, False])
    cases_of_points = []
    for point, after in _kinds():
        name = next(mode for mode in turn if _cases(mode, point, after))
        cases = _cases(name, point, after)
        is_exact = loss_at(MODES[name], point) != "nothing" or next(alone)
        cases_of_points.append(cases[0] if is_exact else cases[-1])
    return cases_of_points


def _kinds() -> dict[tuple[str, str | None], None]:
    every = (case for name in MODES for case in cases_of(name))
    kinds = dict.fromkeys((entry.point, entry.after) for entry in every)
    first: dict[str, tuple[str, str | None]] = {}
    for kind in sorted(kinds, key=lambda kind: kind[1] is not None):
        first.setdefault(kind[0], kind)
    return dict.fromkeys(first.values())


def _cases(name: str, point: str, after: str | None) -> list[Case]:
    return [
        case for case in cases_of(name) if (case.point, case.after) == (point, after)
    ]


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("ground")
    with ExitStack() as stack:
        bank = stack.enter_context(start_sandbox(folder / "bank", latency=0))
        yield Ground(bank, stack.enter_context(open_stable()), folder)


def test_no_point_is_left_out() -> None:
    assert {provider.point for provider in chosen()} == {*POINTS}


@pytest.mark.parametrize("case", chosen(), ids=str)
def test_a_kill_at_a_point_loses_nothing_and_buys_nothing_in_silence(
    ground: Ground, case: Case
) -> None:
    ground.survive(case)


def test_a_kill_as_an_outage_becomes_known_leaves_no_row_failed(
    ground: Ground, tmp_path: Path
) -> None:
    more = ("--concurrency", "1", "--max-attempts", "1")
    customer = Customer(ground.bank, ground.stable, MODES["aimlapi"], tmp_path, more)
    customer.write([f"a cup in an outage, no. {number}" for number in range(6)])
    ground.bank.queue_fault("aimlapi", "server_error", CircuitBreaker.TRIP)

    customer.kill_at("ended-after-commit", CircuitBreaker.TRIP)
    ended = customer.run()

    assert ended.code == 0, ended
    assert customer.books().statuses == {"succeeded": 6}


def losses() -> list[Case]:
    """Return a loss of power at each point where there is something to lose."""
    turn = cycle(MODES)
    chosen_cases = []
    for number, point in enumerate(POWER_POINTS):
        cases = (
            power_case
            for name in turn
            for power_case in power_cases(name, range(number, number + 1))
        )
        chosen_cases.append(next(case for case in cases if case.point == point))
    return chosen_cases


@pytest.mark.parametrize("case", losses(), ids=str)
def test_a_power_loss_takes_nothing_that_was_synced_and_buys_nothing_in_silence(
    ground: Ground, case: Case
) -> None:
    ground.survive(case)
