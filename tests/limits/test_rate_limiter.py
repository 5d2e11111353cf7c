"""Never more than N departures in any 60 s, and hardly fewer over an hour."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.limits import WINDOW_S, RateLimiter
from tests.virtual import live_through

RATES = st.sampled_from([0.5, 1, 1.5, 2, 7, 60, 300])


def max_in_a_window(times: list[float], window_s: float = WINDOW_S) -> int:
    """Return how many departures the fullest window has, its end left out."""
    ordered = sorted(times)
    first = max_count = 0
    for number, at in enumerate(ordered):
        while ordered[first] <= at - window_s:
            first += 1
        max_count = max(max_count, number - first + 1)
    return max_count


def delays(seed: int, longest_s: float) -> Iterator[float]:
    rng = random.Random(seed)
    while True:
        yield rng.choice([0.0, rng.uniform(0, longest_s)])


class Traffic:
    """Sends as fast as it may; each departure happens some time after its grant."""

    def __init__(self, rpm: float | None, late: Iterator[float]) -> None:
        self.rate_limiter = RateLimiter(rpm, anyio.current_time)
        self.times: list[float] = []
        self._late = late

    async def send(self, count: int, until_s: float, given_back: int = 0) -> None:
        """Send so many, each third of `given_back` never leaving at all."""
        async with anyio.create_task_group() as tasks:
            for number in range(count):
                await self.rate_limiter.grant()
                if anyio.current_time() >= until_s:
                    self.rate_limiter.cancel()
                    return
                if given_back and number % given_back == 0:
                    self.rate_limiter.cancel()
                    continue
                tasks.start_soon(self._leave, next(self._late))

    async def _leave(self, late_s: float) -> None:
        await anyio.sleep(late_s)
        now = anyio.current_time()
        self.rate_limiter.record_sent(now)
        self.times.append(now)


@settings(max_examples=30, deadline=None)
@given(
    rpm=RATES,
    seed=st.integers(0, 1000),
    longest_s=st.sampled_from([0.0, 0.2, 3.0, 40.0]),
    given_back=st.sampled_from([0, 3]),
)
def test_no_window_of_a_minute_has_more_departures_than_allowed(
    rpm: float, seed: int, longest_s: float, given_back: int
) -> None:
    times: list[float] = []

    async def work() -> None:
        traffic = Traffic(rpm, delays(seed, longest_s))
        await traffic.send(600, anyio.current_time() + 600, given_back)
        times.extend(traffic.times)

    live_through(work)

    assert times
    window_s = WINDOW_S if rpm >= 1 else WINDOW_S / rpm
    assert max_in_a_window(times, window_s) <= max(1, int(rpm))


@pytest.mark.parametrize(("rpm", "minutes"), [(1, 60), (10, 60), (60, 60), (600, 10)])
@pytest.mark.parametrize("longest_s", [0.0, 0.2])
def test_a_long_while_uses_99_percent_of_the_allowed_rate(
    rpm: int, minutes: int, longest_s: float
) -> None:
    times: list[float] = []

    async def work() -> None:
        traffic = Traffic(rpm, delays(7, longest_s))
        await traffic.send(100_000, anyio.current_time() + 60 * minutes)
        times.extend(traffic.times)

    live_through(work)

    assert len(times) >= 0.99 * rpm * minutes
    assert max_in_a_window(times) <= rpm


def test_departures_are_evenly_paced_from_the_first_on() -> None:
    times: list[float] = []

    async def work() -> None:
        traffic = Traffic(60, delays(0, 0))
        await traffic.send(200, float("inf"))
        times.extend(traffic.times)

    live_through(work)

    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 1.0
    assert max(gaps) <= 1.01


def test_a_late_wake_up_is_made_up_for_by_one_gap_at_most() -> None:
    times: list[float] = []

    async def work() -> None:
        traffic = Traffic(60, delays(0, 0))
        await traffic.send(3, float("inf"))
        await anyio.sleep(30)
        await traffic.send(60, float("inf"))
        times.extend(traffic.times)

    live_through(work)

    assert max_in_a_window(times[3:], 1.0) <= 2
    assert max_in_a_window(times) <= 60


@settings(max_examples=30, deadline=None)
@given(
    rpm=st.sampled_from([0.5, 1, 7, 60]),
    sent=st.integers(1, 150),
    pause_s=st.floats(0, 70),
)
def test_the_rate_holds_across_restarts(rpm: float, sent: int, pause_s: float) -> None:
    times: list[float] = []

    async def work() -> None:
        first = Traffic(rpm, delays(1, 0.2))
        await first.send(sent, float("inf"))
        await anyio.sleep(pause_s)
        second = Traffic(rpm, delays(2, 0.2))
        now = anyio.current_time()
        since = now - second.rate_limiter.window_s
        second.rate_limiter.seed(now - time for time in first.times if time > since)
        await second.send(sent, float("inf"))
        times.extend(first.times + second.times)

    live_through(work)

    window_s = WINDOW_S if rpm >= 1 else WINDOW_S / rpm
    assert max_in_a_window(times, window_s) <= max(1, int(rpm))


def test_a_lower_rate_after_a_restart_waits_for_the_old_departures() -> None:
    async def work() -> None:
        rate_limiter = RateLimiter(2, anyio.current_time)
        rate_limiter.seed([50.0, 40.0, 30.0, 20.0])
        began = anyio.current_time()

        await rate_limiter.grant()

        assert anyio.current_time() - began >= 60 - 30
        rate_limiter.record_sent(anyio.current_time())

    live_through(work)


def test_a_pause_is_a_floor_for_everybody_who_waits_and_who_comes() -> None:
    times: list[float] = []

    async def work() -> None:
        traffic = Traffic(600, delays(0, 0))
        began = anyio.current_time()

        async def interrupt() -> None:
            await anyio.sleep(1)
            traffic.rate_limiter.pause(30)
            traffic.rate_limiter.pause(5)
            assert traffic.rate_limiter.wait_s() == 30

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(interrupt)
            tasks.start_soon(traffic.send, 50, float("inf"))
            tasks.start_soon(traffic.send, 50, float("inf"))
        times.extend(time - began for time in traffic.times)

    live_through(work)

    assert len(times) == 100
    assert [time for time in times if 1.0 < time < 31.0] == []
    assert min(time for time in times if time > 1.0) < 31.3


def test_without_a_limit_only_a_pause_is_waited_for() -> None:
    async def work() -> None:
        traffic = Traffic(None, delays(0, 0))
        began = anyio.current_time()
        await traffic.send(1000, float("inf"))
        assert anyio.current_time() == began
        assert traffic.rate_limiter.wait_s() == 0

        traffic.rate_limiter.pause(9)
        await traffic.send(1, float("inf"))

        assert anyio.current_time() - began == 9

    live_through(work)


def test_a_grant_that_never_left_is_given_back() -> None:
    async def work() -> None:
        traffic = Traffic(1, delays(0, 0))
        await traffic.rate_limiter.grant()
        traffic.rate_limiter.cancel()
        began = anyio.current_time()

        await traffic.rate_limiter.grant()

        assert anyio.current_time() - began <= 60.3

    live_through(work)


def test_whoever_comes_first_leaves_first() -> None:
    order: list[int] = []

    async def work() -> None:
        rate_limiter = RateLimiter(30, anyio.current_time)

        async def leave(number: int) -> None:
            await rate_limiter.grant()
            rate_limiter.record_sent(anyio.current_time())
            order.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(leave, number)
                await anyio.sleep(0.001)

    live_through(work)

    assert order == list(range(10))


def test_a_wait_that_is_cancelled_lets_the_next_one_leave() -> None:
    async def work() -> None:
        rate_limiter = RateLimiter(60, anyio.current_time)
        await rate_limiter.grant()
        rate_limiter.record_sent(anyio.current_time())
        began = anyio.current_time()

        with anyio.move_on_after(0.5):
            await rate_limiter.grant()
        await rate_limiter.grant()

        assert anyio.current_time() - began <= 1.01

    live_through(work)


def test_time_that_comes_between_two_looks_at_the_clock_ends_the_wait() -> None:
    rng, lost_s = random.Random(0), 0.0

    def look() -> float:
        # On a loaded machine anything may take long: here, each look at the clock.
        nonlocal lost_s
        lost_s += rng.uniform(0, 0.5)
        return anyio.current_time() + lost_s

    async def work() -> None:
        rate_limiter = RateLimiter(60, look)
        for _ in range(100):
            await rate_limiter.grant()
            rate_limiter.record_sent(look())

    live_through(work)
