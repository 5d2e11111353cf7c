"""Money that may still be spent: reserved at the ceiling, then charged at actual cost.

Nothing here is stored: the open attempts tell what is reserved, so a new process starts
from the sums of the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import anyio

from batchgen.errors import BudgetReached, DayFull, DayTooSmall, GroupsFull
from batchgen.model import PriceKey, dollars
from batchgen.model.spending_limits import (
    DAY_MICROS,
    ColumnValue,
    Limits,
    Scope,
    day_of,
)
from batchgen.notifier import Notifier

MAX_SLEEP_S = 60.0
"""Longest wait for the next day: a machine may be suspended, or its clock be set."""

MAX_VALUES_SHOWN = 5


@dataclass(slots=True, kw_only=True)
class Reservation:
    """Money reserved for one attempt.

    Attributes:
        price_key: Decides the ceiling of one image.
        images: Number of images of the attempt.
        column_values: Column values whose budgets it counts for.
        day: UTC day on which it is sent.
        is_settled: Whether it was released or charged; the run sets this.
    """

    price_key: PriceKey
    images: int
    column_values: tuple[ColumnValue, ...] = ()
    day: int = 0
    is_settled: bool = field(default=False, compare=False)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """All scopes whose limits it counts for."""
        return (*self.column_values, "run", self.day)


@dataclass(slots=True)
class _Account:
    """Money that a scope has spent or at risk, and its reserved images by price."""

    committed: int = 0
    held: Counter[PriceKey] = field(default_factory=Counter)


class Budget:
    """The limits of one run folder, and the money that counts for each.

    Args:
        limits: The maximum that may be spent.
        ceilings: Returns the maximum that one image may cost; None if unknown.
        now: Returns microseconds UTC since 1970.
        pretend: Whether this is a rehearsal, which spends no money.

    Attributes:
        limits: The limits.
        is_limited: Whether there are any.
        settled: How many reservations were settled.
    """

    def __init__(
        self,
        limits: Limits,
        ceilings: Callable[[PriceKey], int | None],
        now: Callable[[], int],
        *,
        pretend: bool = False,
    ) -> None:
        self.limits, self.is_limited = limits, bool(limits)
        self._pretend = pretend
        self._ceilings = ceilings
        self._now = now
        # By provider and resolution, since the ledger has charges by these.
        self._raised: dict[tuple[str, str | None], int] = {}
        self._accounts: dict[Scope, _Account] = {"run": _Account()}
        self._changed = Notifier()
        self._full: set[ColumnValue] = set()
        self.settled = 0

    def ceiling(self, price_key: PriceKey) -> int | None:
        """Return the maximum that one image may cost, by price list or real charge."""
        list_price = self._ceilings(price_key)
        raised = self._raised.get(price_key[:2])
        if list_price is None or raised is None:
            return list_price if raised is None else raised
        return max(list_price, raised)

    def committed(self, scope: Scope = "run") -> int:
        """Return nano-dollars that are spent or at risk, without open attempts."""
        account = self._accounts.get(scope)
        return account.committed if account else 0

    def held(self, scope: Scope = "run") -> int:
        """Return nano-dollars that open attempts may still cost."""
        account = self._accounts.get(scope)
        if account is None:
            return 0
        return sum(
            images * (self.ceiling(price_key) or 0)
            for price_key, images in account.held.items()
        )

    @property
    def today(self) -> int:
        """The current UTC day."""
        return day_of(self._now())

    # -- changes

    def commit(self, nano: int, *scopes: Scope) -> None:
        """Count money that is spent or at risk."""
        for account in self._limited(scopes):
            account.committed += nano

    def hold(self, reservation: Reservation) -> None:
        """Reserve money for an attempt that is already open (after a restart)."""
        for account in self._limited(reservation.scopes):
            account.held[reservation.price_key] += reservation.images

    async def reserve(self, request: Reservation) -> Reservation:
        """Wait until an attempt fits into all limits, and reserve its money for today.

        Raises:
            GroupsFull: it does not fit into the budget of a column's value.
            DayFull: it does not fit into the budget of this day, and no attempt is open
                that could end below its ceiling.
            DayTooSmall: likewise, and it would not fit on a day without other costs.
            BudgetReached: likewise, but for the whole run.
        """
        if not self.is_limited:
            self.hold(request)
            return request
        while True:
            version = self._changed.version
            day = self.today
            reservation = request if request.day == day else replace(request, day=day)
            match next(self._exceeded(reservation), None):
                case None:
                    self.hold(reservation)
                    self._full.difference_update(reservation.column_values)
                    return reservation
                case ColumnValue():
                    full = self.full_column_values(reservation)
                    self._full.update(full)
                    raise GroupsFull(self.explain_groups(full))
                case "run" if not self._has_open_attempts("run"):
                    raise BudgetReached(self._explain(reservation))
                case "run":
                    await self._changed.wait(version)
                case day if not self._has_open_attempts(day):
                    raise self._day_is_full(reservation)
                case _:
                    with anyio.move_on_after(self._sleep_s()):
                        await self._changed.wait(version)

    def settle(self, reservation: Reservation, nano: int) -> None:
        """Release a reservation and count what the attempt cost or put at risk."""
        for account in self._limited(reservation.scopes):
            account.held[reservation.price_key] -= reservation.images
            account.committed += nano
        self.settled += 1
        self._changed.notify_all()

    def raise_ceiling(self, price_key: PriceKey, per_image: int) -> bool:
        """Raise the ceiling to a charge above it; return whether the charge was."""
        ceiling = self.ceiling(price_key)
        if ceiling is None or per_image <= ceiling:
            return False
        self._raised[price_key[:2]] = per_image
        return True

    async def next_day(self) -> None:
        """Wait for the next UTC day."""
        day = self.today
        while self.today == day:  # noqa: ASYNC110 - no event marks midnight
            await anyio.sleep(self._sleep_s())

    # -- queries

    def covers(self, reservation: Reservation) -> bool:
        """Tell whether a reserved attempt may still be sent: today, within all limits.

        A charge above the ceiling may have raised other reservations meanwhile.
        """
        if not self.is_limited:
            return True
        is_within = all(self._left(scope) >= 0 for scope in reservation.scopes)
        return is_within and (self.limits.day is None or reservation.day == self.today)

    def full_column_values(self, request: Reservation) -> list[ColumnValue]:
        """Return the column values into whose budgets an attempt does not fit now."""
        return [
            scope for scope in self._exceeded(request) if isinstance(scope, ColumnValue)
        ]

    def explain_groups(self, column_values: Sequence[ColumnValue]) -> str:
        """Say which column values have used up their budgets, by name at first."""
        parts = [
            f"{column_value}: {self._spent(column_value)}"
            for column_value in column_values[:MAX_VALUES_SHOWN]
        ]
        rest = len(column_values) - len(parts)
        return ", ".join([*parts, f"and {rest} more"] if rest else parts)

    def _limited(self, scopes: Sequence[Scope]) -> Iterator[_Account]:
        for scope in scopes:
            is_counted = self.is_limited and self.limits.of(scope) is not None
            if scope == "run" or is_counted:
                yield self._accounts.setdefault(scope, _Account())

    def _exceeded(self, request: Reservation) -> Iterator[Scope]:
        if not self.is_limited:
            return iter(())
        price = self._price(request)
        return (scope for scope in request.scopes if self._left(scope) < price)

    def _left(self, scope: Scope) -> float:
        limit = self.limits.of(scope)
        if limit is None:
            return float("inf")
        return limit - self.committed(scope) - self.held(scope)

    def _price(self, request: Reservation) -> int:
        return request.images * (self.ceiling(request.price_key) or 0)

    def _has_open_attempts(self, scope: Scope) -> bool:
        account = self._accounts.get(scope)
        return account is not None and any(account.held.values())

    def _sleep_s(self) -> float:
        left_s = (DAY_MICROS - self._now() % DAY_MICROS) / 1e6
        return min(left_s + 0.001, MAX_SLEEP_S)

    def levels(self) -> list[tuple[Scope, int, int]]:
        """Return each scope with its limit and the money that counts for it.

        Of a column's values, only those whose budget is used up.
        """
        scopes: list[Scope] = ["run", self.today, *sorted(self._full)]
        return [
            (scope, limit, self.committed(scope))
            for scope in scopes
            if (limit := self.limits.of(scope)) is not None
        ]

    # -- messages

    def describe(self) -> list[str]:
        """Describe the budgets of the day and of column values, in short."""
        parts = []
        if self.limits.day is not None:
            parts.append(f"{self._spent(self.today)} today")
        if self._full:
            parts.append(f"{len(self._full)} of [budget.by] full")
        return parts

    def _spent(self, scope: Scope) -> str:
        spent, limit = self.committed(scope), self.limits.of(scope) or 0
        return f"{self._dollars(spent)} of {dollars(limit)}"

    def _dollars(self, nano: int) -> str:
        return dollars(nano, pretend=self._pretend)

    def _explain(self, request: Reservation) -> str:
        price = self._dollars(self._price(request))
        spent = self._spent("run")
        return f"{spent} are spent or at risk; the next image may cost {price}"

    def _day_is_full(self, request: Reservation) -> BudgetReached:
        price, limit = self._price(request), self.limits.of(request.day) or 0
        if price > limit:
            return DayTooSmall(
                f"the next image may cost {self._dollars(price)}, and a whole day's "
                f"budget is {dollars(limit)}"
            )
        ends = datetime.fromtimestamp(0, UTC) + timedelta(days=request.day + 1)
        return DayFull(
            f"{self._spent(request.day)} are spent or at risk of what was sent today; "
            f"the next image may cost {self._dollars(price)}; the day ends at "
            f"{ends:%Y-%m-%d %H:%M} UTC"
        )
