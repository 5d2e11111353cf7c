"""The budget is never passed, whatever ends in whichever order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.budget import Budget, ColumnValue, Limits, Reservation
from batchgen.errors import BudgetReached, DayFull, DayTooSmall, GroupsFull
from batchgen.model import PriceKey
from tests.virtual import live_through

CUP = PriceKey("acme", "1K")
POSTER = PriceKey("acme", "4K")
CEILINGS: dict[PriceKey, int] = {CUP: 10, POSTER: 25}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


def budget(limit: int | None, committed: int = 0) -> Budget:
    money = Budget(Limits(run=limit), CEILINGS.get, lambda: 0)
    money.commit(committed, "run")
    return money


def reservation(price_key: PriceKey = CUP, images: int = 1) -> Reservation:
    return Reservation(price_key=price_key, images=images)


@dataclass(frozen=True)
class AttemptContext:
    """One attempt of a random run: when it comes, how long it takes, what it costs."""

    reservation: Reservation
    after: float
    duration_s: float
    share: float


FLIGHTS = st.builds(
    AttemptContext,
    reservation=st.builds(
        Reservation, price_key=st.sampled_from([CUP, POSTER]), images=st.integers(1, 3)
    ),
    after=st.floats(0, 5),
    duration_s=st.floats(0, 5),
    share=st.floats(0, 1),
)


@settings(max_examples=150, deadline=None)
@given(limit=st.integers(0, 200), contexts=st.lists(FLIGHTS, max_size=20))
def test_no_order_of_attempts_passes_the_limit(
    limit: int, contexts: list[AttemptContext]
) -> None:
    money = budget(limit)
    refused: list[AttemptContext] = []

    async def fly(context: AttemptContext) -> None:
        await anyio.sleep(context.after)
        try:
            await money.reserve(context.reservation)
        except BudgetReached:
            assert money.held() == 0
            price = CEILINGS[context.reservation.price_key] * context.reservation.images
            assert money.committed() + price > limit
            refused.append(context)
            return
        assert money.committed() + money.held() <= limit
        await anyio.sleep(context.duration_s)
        ceiling = CEILINGS[context.reservation.price_key] * context.reservation.images
        money.settle(context.reservation, math.floor(ceiling * context.share))
        assert money.committed() + money.held() <= limit

    async def all_of_them() -> None:
        async with anyio.create_task_group() as tasks:
            for context in contexts:
                tasks.start_soon(fly, context)

    live_through(all_of_them)

    assert money.held() == 0
    spent = sum(
        math.floor(
            CEILINGS[context.reservation.price_key]
            * context.reservation.images
            * context.share
        )
        for context in contexts
        if context not in refused
    )
    assert refused or money.committed() == spent
    assert money.committed() <= limit


async def test_what_does_not_fit_waits_for_a_flight_that_ends_cheaper() -> None:
    money = budget(15)
    await money.reserve(reservation())
    reserved = anyio.Event()

    async def second() -> None:
        await money.reserve(reservation())
        reserved.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        assert not reserved.is_set()

        money.settle(reservation(), 5)

        await reserved.wait()

    assert (money.committed(), money.held()) == (5, 10)


async def test_what_does_not_fit_ends_when_nothing_in_flight_could_help() -> None:
    money = budget(15)
    await money.reserve(reservation())

    async with anyio.create_task_group() as tasks:

        async def second() -> None:
            with pytest.raises(
                BudgetReached, match=r"00001 of \$0\.000000015 are spent"
            ):
                await money.reserve(reservation())

        tasks.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        money.settle(reservation(), 10)


async def test_a_budget_is_used_to_its_last_nano_dollar() -> None:
    money = budget(20)

    await money.reserve(reservation())
    await money.reserve(reservation())

    assert money.committed() + money.held() == 20
    with anyio.move_on_after(0.01) as waited:
        await money.reserve(reservation())
    assert waited.cancelled_caught


async def test_without_a_limit_nothing_waits() -> None:
    money = budget(None)

    for _ in range(1000):
        await money.reserve(reservation(PriceKey("other", None)))

    assert money.held() == 0


async def test_a_charge_above_the_ceiling_raises_what_is_held_already() -> None:
    money = budget(60)
    await money.reserve(reservation(images=2))
    await money.reserve(reservation(POSTER))

    assert money.raise_ceiling(CUP, 15)

    assert money.held() == 2 * 15 + 25
    assert money.ceiling(CUP) == 15
    assert money.ceiling(POSTER) == 25
    assert not money.raise_ceiling(CUP, 15)
    assert not money.raise_ceiling(CUP, 3)
    assert money.ceiling(CUP) == 15


async def test_a_reservation_that_waits_is_measured_by_the_raised_ceiling() -> None:
    money = budget(30)
    await money.reserve(reservation())
    await money.reserve(reservation())
    outcome: list[type[BaseException] | None] = []

    async def third() -> None:
        try:
            await money.reserve(reservation())
        except BudgetReached as error:
            outcome.append(type(error))

    async with anyio.create_task_group() as tasks:
        await money.reserve(reservation())
        tasks.start_soon(third)
        await anyio.wait_all_tasks_blocked()
        money.raise_ceiling(CUP, 16)
        for cost in (16, 0, 0):
            money.settle(reservation(), cost)

    assert outcome == [BudgetReached]
    assert money.committed() == 16


async def test_a_group_without_a_price_is_never_measured() -> None:
    money = budget(5)

    assert money.ceiling(PriceKey("other", "1K")) is None
    assert not money.raise_ceiling(PriceKey("other", "1K"), 1_000)


async def test_what_an_earlier_process_left_open_is_held() -> None:
    money = budget(30, committed=12)
    money.hold(reservation())

    assert (money.committed(), money.held()) == (12, 10)
    with anyio.move_on_after(0.01) as waited:
        await money.reserve(reservation())
    assert waited.cancelled_caught
    money.settle(reservation(), 0)
    await money.reserve(reservation())


async def test_a_wait_that_is_cancelled_holds_nothing() -> None:
    money = budget(15)
    await money.reserve(reservation())

    with anyio.move_on_after(0.01):
        await money.reserve(reservation())
    money.settle(reservation(), 0)

    assert (money.committed(), money.held()) == (0, 0)


async def test_all_that_wait_are_looked_at_when_one_ends() -> None:
    money = budget(35)
    await money.reserve(reservation(POSTER))
    await money.reserve(reservation())
    done: list[int] = []

    async def another(number: int) -> None:
        await money.reserve(reservation())
        done.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(2):
            tasks.start_soon(another, number)
        await anyio.wait_all_tasks_blocked()
        money.settle(reservation(POSTER), 5)

    assert sorted(done) == [0, 1]
    assert money.committed() + money.held() == 35


# -- by day, and by the values of columns

DAY = 86_400
ACME, BRIO = ColumnValue("brand", "Acme"), ColumnValue("brand", "Brio")


def by(*column_values: ColumnValue, price_key: PriceKey = CUP) -> Reservation:
    return Reservation(price_key=price_key, images=1, column_values=column_values)


def daily(began_s: float, **limits: Any) -> Budget:
    """Return budgets under a clock that began so many seconds after a midnight."""
    now = lambda: int((began_s + anyio.current_time()) * 1e6)  # noqa: E731
    return Budget(Limits(**limits), CEILINGS.get, now)


def test_what_does_not_fit_into_a_day_fits_into_the_next() -> None:
    async def work() -> None:
        money = daily(DAY - 100, day=15)
        first = await money.reserve(reservation())
        money.settle(first, 10)

        with pytest.raises(DayFull, match=r"the day ends at 1970-01-02 00:00 UTC"):
            await money.reserve(reservation())
        await money.next_day()
        second = await money.reserve(reservation())

        assert 100 <= anyio.current_time() < 101
        assert (first.day, second.day) == (0, 1)
        assert (money.committed(0), money.held(0)) == (10, 0)
        assert (money.committed(1), money.held(1)) == (0, 10)

    live_through(work)


def test_what_fits_into_no_day_is_not_waited_for() -> None:
    async def work() -> None:
        money = daily(DAY - 100, day=9)

        with pytest.raises(DayTooSmall, match=r"a whole day's budget is \$0.000000009"):
            await money.reserve(reservation())

    live_through(work)


def test_who_waits_for_a_flight_of_today_may_leave_when_tomorrow_comes() -> None:
    async def work() -> None:
        money = daily(DAY - 100, day=15)
        await money.reserve(reservation())

        late = await money.reserve(reservation())

        assert 100 <= anyio.current_time() < 101
        assert late.day == 1

    live_through(work)


def test_what_was_reserved_today_is_not_covered_tomorrow() -> None:
    async def work() -> None:
        money = daily(DAY - 100, day=15)
        early = await money.reserve(reservation())
        assert money.covers(early)

        await money.next_day()

        assert not money.covers(early)

    live_through(work)


async def test_a_charge_above_the_ceiling_uncovers_what_has_not_left_yet() -> None:
    money = budget(25)
    first, second = [await money.reserve(reservation()) for _ in range(2)]

    money.raise_ceiling(CUP, 13)

    assert not money.covers(first)
    money.settle(second, 0)
    assert money.covers(first)


async def test_a_full_share_is_told_at_once_whatever_is_in_flight() -> None:
    money = Budget(Limits(by={"brand": {"*": 15}}), CEILINGS.get, lambda: 0)
    await money.reserve(by(ACME))

    with pytest.raises(GroupsFull, match=r"brand 'Acme'"):
        await money.reserve(by(ACME))
    await money.reserve(by(BRIO))

    assert money.full_column_values(by(ACME)) == [ACME]
    assert money.describe() == ["1 of [budget.by] full"]


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        pytest.param({"*": 7}, 7, id="every"),
        pytest.param({"*": 7, "Acme": 9}, 9, id="named"),
        pytest.param({"Brio": 9}, None, id="others-only"),
    ],
)
def test_a_value_has_its_own_limit_or_that_of_all_others(
    values: dict[str, int], limit: int | None
) -> None:
    limits = Limits(by={"brand": values})

    assert limits.of(ACME) == limit
    assert limits.of(ColumnValue("kind", "hat")) is None
    assert Limits.load(limits.dump()) == limits


PURCHASES = st.lists(
    st.tuples(
        st.sampled_from([ACME, BRIO]),
        st.sampled_from([CUP, POSTER]),
        st.floats(0, 3 * DAY),
        st.floats(0, DAY),
        st.floats(0, 1),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(
    run=st.none() | st.integers(0, 300),
    day=st.none() | st.integers(0, 100),
    each=st.none() | st.integers(0, 100),
    purchases=PURCHASES,
)
def test_no_order_of_attempts_passes_any_of_several_limits(
    run: int | None,
    day: int | None,
    each: int | None,
    purchases: list[tuple[ColumnValue, PriceKey, float, float, float]],
) -> None:
    limits = {"run": run, "day": day, "by": {"brand": {"*": each}} if each else {}}
    payments: list[tuple[int, ColumnValue, int]] = []

    async def buy(
        money: Budget, purchase: tuple[ColumnValue, PriceKey, float, float, float]
    ) -> None:
        share, price_key, delay_s, duration_s, part = purchase
        await anyio.sleep(delay_s)
        try:
            reservation = await money.reserve(by(share, price_key=price_key))
        except BudgetReached:
            return
        sent = money.today
        assert money.covers(reservation)
        await anyio.sleep(duration_s)
        cost = math.floor(CEILINGS[price_key] * part)
        money.settle(reservation, cost)
        payments.append((sent, share, cost))

    async def all_of_them() -> None:
        money = daily(0, **limits)
        async with anyio.create_task_group() as tasks:
            for purchase in purchases:
                tasks.start_soon(buy, money, purchase)

    live_through(all_of_them)

    assert run is None or sum(payment[2] for payment in payments) <= run
    for one in range(5):
        assert (
            day is None
            or sum(payment[2] for payment in payments if payment[0] == one) <= day
        )
    for share in (ACME, BRIO):
        assert (
            not each
            or sum(payment[2] for payment in payments if payment[1] == share) <= each
        )
