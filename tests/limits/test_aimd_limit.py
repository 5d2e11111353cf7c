"""`auto` finds a limit that nobody names, stays near it, and finds it again."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.limits import WINDOW_S, AimdLimit, ConcurrencyLimiter, Load, RateLimiter
from tests.virtual import live_through

IMAGE_S = 10.0
HEAD_S = 0.05
MINUTE_S, HOUR_S = 60.0, 3600.0
START, MAX_SLOTS = 16, 512


@dataclass
class Server:
    """Refuses at once what is above its limits, which it tells nobody."""

    at_once: float = inf
    per_minute: float = inf
    image_s: Callable[[], float] = lambda: IMAGE_S
    busy: int = 0
    log: list[tuple[float, bool]] = field(default_factory=list)
    _left: deque[float] = field(default_factory=deque)

    async def ask(self) -> bool:
        await anyio.sleep(HEAD_S)
        now = anyio.current_time()
        while self._left and self._left[0] <= now - WINDOW_S:
            self._left.popleft()
        taken = self.busy < self.at_once and len(self._left) < self.per_minute
        self.log.append((now, taken))
        if taken:
            self.busy += 1
            self._left.append(now)
            await anyio.sleep(self.image_s())
            self.busy -= 1
        return taken

    def used(self, since: float, until: float) -> float:
        """Return the share of what it would have taken."""
        taken = sum(ok for at, ok in self.log if since <= at < until)
        a_second = min(self.at_once / (IMAGE_S + HEAD_S), self.per_minute / MINUTE_S)
        return taken / (a_second * (until - since))

    def refused(self, since: float, until: float) -> float:
        """Return the share of what was sent that it refused."""
        sent = [ok for at, ok in self.log if since <= at < until]
        return sent.count(False) / len(sent)


class Client:
    """Sends whenever it may, as a provider queue does."""

    def __init__(
        self, server: Server, *, concurrency: int | None = None, rpm: float | None = inf
    ) -> None:
        at_once: int | AimdLimit = (
            AimdLimit(START, MAX_SLOTS) if concurrency is None else concurrency
        )
        clock = anyio.current_time
        self._server = server
        self._departures = RateLimiter(None, clock, counts=True)
        aimd_limit = AimdLimit(inf if rpm is None else rpm, is_rate=True)
        self.limiter = ConcurrencyLimiter(
            self._departures, at_once, aimd_limit, clock, remembers_rate=rpm is not None
        )
        self._in_flight = 0
        self._changed = anyio.Event()

    async def send(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                while self._in_flight >= self.limiter.slots:
                    await self._changed.wait()
                await self._departures.grant()
                self._in_flight += 1
                tasks.start_soon(self._one, self.limiter.record_start(self._in_flight))

    async def _one(self, use: Load) -> None:
        self._departures.record_sent(anyio.current_time())
        if await self._server.ask():
            self.limiter.record_acceptance(use)
        else:
            self._departures.pause(
                self.limiter.record_throttle(use, self._in_flight, None)
            )
        self._in_flight -= 1
        self._changed.set()
        self._changed = anyio.Event()


def live(
    server: Server,
    until_s: float,
    change: Callable[[], None] = lambda: None,
    at_s: float = HOUR_S,
    **settings: Any,
) -> Client:
    """Let a client send for so long; the server's limits change at a time."""
    clients: list[Client] = []

    async def work() -> None:
        began = anyio.current_time()
        client = Client(server, **settings)
        clients.append(client)
        with anyio.move_on_after(until_s):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.send)
                await anyio.sleep(at_s)
                change()
        server.log = [(at - began, ok) for at, ok in server.log]

    live_through(work)
    return clients[0]


@pytest.mark.parametrize("at_once", [1, 3, 10, 40])
def test_a_limit_of_purchases_under_way_is_found_in_a_few_minutes(
    at_once: int,
) -> None:
    server = Server(at_once=at_once)

    live(server, HOUR_S, rpm=None)

    assert server.used(300, HOUR_S) >= 0.95
    assert server.refused(300, HOUR_S) <= 0.03


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("at_once", [4, 30])
def test_it_is_found_though_no_two_images_take_equally_long(
    at_once: int, seed: int
) -> None:
    rng = random.Random(seed)
    server = Server(at_once=at_once, image_s=lambda: rng.uniform(5, 15))

    live(server, HOUR_S, rpm=None)

    assert server.used(300, HOUR_S) >= 0.9
    assert server.refused(300, HOUR_S) <= 0.03


@pytest.mark.parametrize(("per_minute", "concurrency"), [(10, 16), (60, 16)])
def test_a_rate_is_found_in_a_few_minutes(per_minute: int, concurrency: int) -> None:
    server = Server(per_minute=per_minute)

    live(server, HOUR_S, concurrency=concurrency)

    assert server.used(300, HOUR_S) >= 0.9
    assert server.refused(300, HOUR_S) <= 0.03


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(Server(at_once=10), id="under-way"),
        pytest.param(Server(per_minute=60), id="rate"),
    ],
)
def test_with_both_to_be_found_the_one_that_binds_is(server: Server) -> None:
    live(server, HOUR_S)

    assert server.used(600, HOUR_S) >= 0.9
    assert server.refused(600, HOUR_S) <= 0.03


@dataclass
class Bucket(Server):
    """Takes so many a second, evenly, and a few more at once: nginx's `limit_req`."""

    per_second: float = 10.0
    burst: int = 0
    late_s: Callable[[], float] = lambda: 0.0
    _excess: float = 0.0
    _taken_at: float = -inf

    async def ask(self) -> bool:
        await anyio.sleep(0.002 + self.late_s())
        now = anyio.current_time()
        excess = 0.0
        if self._taken_at > -inf:
            drained = self.per_second * (now - self._taken_at)
            excess = max(0.0, self._excess - drained + 1)
        taken = excess <= self.burst + 1e-9
        self.log.append((now, taken))
        if taken:
            self._excess, self._taken_at = excess, now
            await anyio.sleep(self.image_s())
        return taken

    def used(self, since: float, until: float) -> float:
        taken = sum(ok for at, ok in self.log if since <= at < until)
        return taken / (self.per_second * (until - since))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="both-to-be-found"),
        pytest.param({"concurrency": 200}, id="rate-to-be-found"),
        pytest.param({"concurrency": 200, "rpm": None}, id="nothing-asked-for"),
    ],
)
@pytest.mark.parametrize("per_second", [5, 10])
@pytest.mark.parametrize("seed", range(2))
def test_a_rate_without_a_burst_is_used_after_half_a_minute(
    per_second: int, settings: dict[str, Any], seed: int
) -> None:
    rng = random.Random(seed)
    server = Bucket(
        per_second=per_second,
        image_s=lambda: rng.uniform(1.5, 2.5),
        late_s=lambda: rng.uniform(0, 0.002),
    )

    live(server, 300, **settings)

    assert server.used(30, 300) >= 0.9
    assert server.refused(30, 300) <= 0.1


@pytest.mark.parametrize("settings", [{}, {"concurrency": 16}], ids=["both", "rate"])
def test_a_busy_provider_that_refuses_one_now_and_then_is_not_given_up(
    settings: dict[str, Any],
) -> None:
    @dataclass
    class Busy(Server):
        async def ask(self) -> bool:
            await anyio.sleep(HEAD_S)
            taken = rng.random() >= 0.01
            self.log.append((anyio.current_time(), taken))
            await anyio.sleep(2.0 if taken else 0.0)
            return taken

    rng = random.Random(5)
    server = Busy()

    live(server, 300, **settings)

    assert sum(ok for at, ok in server.log if at >= 30) >= 0.5 * 270 * START / 2.05


@pytest.mark.parametrize(
    ("share", "at_once", "image_s", "borne"),
    [
        pytest.param(0.05, inf, 2.0, 6.0, id="a-twentieth-of-all"),
        pytest.param(0.08, inf, 2.0, 4.5, id="a-twelfth-of-all"),
        pytest.param(0.05, inf, 0.5, 12.0, id="a-twentieth-of-quick-ones"),
        pytest.param(0.0, 8, 5.0, 1.1, id="more-than-so-many-at-a-time"),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_a_stated_rate_is_not_given_up_for_what_is_refused_at_any_rate(
    share: float, at_once: float, image_s: float, borne: float, seed: int
) -> None:
    """Slower purchases would be refused all the same: only time would be lost."""

    @dataclass
    class Busy(Server):
        async def ask(self) -> bool:
            await anyio.sleep(HEAD_S)
            taken = self.busy < self.at_once and rng.random() >= share
            self.log.append((anyio.current_time(), taken))
            if taken:
                self.busy += 1
                await anyio.sleep(image_s * rng.uniform(0.7, 1.3))
                self.busy -= 1
            return taken

    rng = random.Random(seed)
    server = Busy(at_once=at_once)

    live(server, 300, concurrency=START, rpm=None)

    assert sum(taken for _, taken in server.log) >= borne * 300


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"at_once": 40}, {"at_once": 10}, id="fewer-under-way"),
        pytest.param({"at_once": 10}, {"at_once": 40}, id="more-under-way"),
        pytest.param({"per_minute": 60}, {"per_minute": 30}, id="lower-rate"),
        pytest.param({"per_minute": 60}, {"per_minute": 240}, id="higher-rate"),
    ],
)
def test_a_limit_that_changes_is_found_again(
    before: dict[str, Any], after: dict[str, float]
) -> None:
    server = Server(**before)

    def change() -> None:
        for name, value in after.items():
            setattr(server, name, value)

    settings: dict[str, Any] = {"rpm": None}
    if "per_minute" in before:
        settings = {"concurrency": 64}
    live(server, 2 * HOUR_S, change, **settings)

    assert server.used(HOUR_S + 1200, 2 * HOUR_S) >= 0.9
    assert server.refused(HOUR_S + 1200, 2 * HOUR_S) <= 0.03


def test_a_server_that_takes_nothing_is_asked_ever_more_seldom() -> None:
    server = Server(at_once=0)

    client = live(server, HOUR_S, rpm=None)

    assert client.limiter.slots == 1
    # A burst at the start, then once a minute.
    assert len(server.log) <= 2 * START + 70


def test_without_a_limit_it_grows_to_its_end_and_no_further() -> None:
    client = live(Server(), HOUR_S / 12, rpm=None)

    assert client.limiter.slots == MAX_SLOTS


# -- the limit alone


def test_refusals_of_one_burst_lower_it_once_to_what_was_taken() -> None:
    aimd_limit = AimdLimit(100.0)

    for taken in range(99, 79, -1):
        aimd_limit.record_refusal(taken, sent_at=1.0, now=2.0)

    assert (aimd_limit.value, aimd_limit.ceiling) == (72.0, 80.0)

    aimd_limit.record_refusal(working_limit=71, sent_at=2.5, now=4.0)

    assert aimd_limit.ceiling == 71


def test_one_burst_halves_it_at_most() -> None:
    aimd_limit = AimdLimit(100.0)

    for _ in range(50):
        aimd_limit.record_refusal(working_limit=0, sent_at=1.0, now=2.0)

    assert aimd_limit.value == 50.0


def test_answers_while_little_is_under_way_say_nothing_of_the_limit() -> None:
    limiter = ConcurrencyLimiter(
        RateLimiter(None, lambda: 1.0),
        AimdLimit(16.0),
        AimdLimit(inf, is_rate=True),
        lambda: 1.0,
    )

    for _ in range(1000):
        limiter.record_acceptance(limiter.record_start(11))
    assert limiter.slots == 16

    limiter.record_acceptance(limiter.record_start(12))
    assert limiter.slots == 17


def test_what_was_found_outlives_the_process() -> None:
    aimd_limit = AimdLimit(100.0)
    aimd_limit.record_refusal(working_limit=80, sent_at=1.0, now=2.0)
    text = aimd_limit.dump()
    assert text is not None

    again = AimdLimit.load(text)

    assert (again.value, again.ceiling) == (aimd_limit.value, aimd_limit.ceiling)
    assert AimdLimit.load(text, max_value=20.0).value == 20.0
    assert AimdLimit(inf).dump() is None


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(0, 600), st.floats(0, 100)), max_size=300
    )
)
def test_it_is_never_below_one_nor_beyond_its_end(
    events: list[tuple[bool, float, float]],
) -> None:
    aimd_limit, now = AimdLimit(16.0, 64.0), 0.0
    for refused, taken, passed_s in events:
        now += passed_s
        if refused:
            aimd_limit.record_refusal(taken, now - passed_s / 2, now)
        else:
            aimd_limit.record_success()
        assert 1.0 <= aimd_limit.value <= 64.0


# -- the pause of everybody


def test_pauses_grow_while_nothing_is_taken_and_the_providers_word_is_a_floor() -> None:
    async def work() -> None:
        clock = anyio.current_time
        rate_limiter = RateLimiter(None, clock)
        limiter = ConcurrencyLimiter(
            rate_limiter, 4, AimdLimit(inf, is_rate=True), clock
        )
        pauses = []
        for _ in range(9):
            use = limiter.record_start(1)
            await anyio.sleep(1)
            # The second left with the first: it says nothing more.
            assert limiter.record_throttle(use, 1, None) == limiter.record_throttle(
                use, 1, None
            )
            pauses.append(limiter.record_throttle(use, 1, None))
            await anyio.sleep(1)

        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        use = limiter.record_start(1)
        assert limiter.record_throttle(use, 1, 300.0) == 300.0
        limiter.record_acceptance(limiter.record_start(1))
        assert limiter.record_throttle(limiter.record_start(1), 1, None) == 1

    live_through(work)
