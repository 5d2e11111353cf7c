"""What may still be spent: reservations at the ceiling, actual cost when it is known.

Nothing here is stored: what is reserved follows from the attempts that are open, so
a new process starts from the ledger's sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import anyio

from batchgen.budget.limits import DAY_MICROS, Limits, Scope, Share, day_of
from batchgen.errors import BudgetReached, DayFull, DayTooSmall, GroupsFull
from batchgen.model import Sale, dollars
from batchgen.notifier import Notifier

Group = Sale
"""What a ceiling holds for."""

NAP_S = 60.0
"""Longest wait before the clock is looked at again: machines sleep, and are set."""

SHOWN = 5


@dataclass(slots=True, kw_only=True)
class Reservation:
    """Money held for one attempt.

    Attributes:
        group: Whose ceiling it is held at.
        images: Images of the attempt; the ceiling is that of one.
        shares: Which budgets by column it counts for.
        day: UTC day on which it is sent.
        is_settled: Whether it was given back, or became money; a run sets this.
    """

    group: Group
    images: int
    shares: tuple[Share, ...] = ()
    day: int = 0
    is_settled: bool = field(default=False, compare=False)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """All that it counts for."""
        return (*self.shares, "run", self.day)


@dataclass(slots=True)
class _Purse:
    """What a scope has spent or put at risk, and images that are held, by price."""

    committed: int = 0
    held: Counter[Group] = field(default_factory=Counter)


class Budget:
    """The limits of one run folder, and what counts for each, in nano-dollars.

    Args:
        limits: Most that may be spent.
        ceilings: What one image of a group may cost at most; None if unknown.
        now: Microseconds UTC since 1970.
        pretend: Whether a rehearsal's money is counted, of which none is spent.

    Attributes:
        settled: How many reservations were given back.
    """

    def __init__(
        self,
        limits: Limits,
        ceilings: Callable[[Group], int | None],
        now: Callable[[], int],
        *,
        pretend: bool = False,
    ) -> None:
        self.limits = limits
        self._pretend = pretend
        self._ceilings = ceilings
        self._now = now
        # By provider and resolution, as the ledger knows what was charged.
        self._raised: dict[tuple[str, str | None], int] = {}
        self._purses: dict[Scope, _Purse] = {"run": _Purse()}
        self._changed = Notifier()
        self._full: set[Share] = set()
        self.settled = 0

    def ceiling(self, group: Group) -> int | None:
        """Return what one image may cost at most, by list or by what was charged."""
        listed = self._ceilings(group)
        raised = self._raised.get(group[:2])
        if listed is None or raised is None:
            return listed if raised is None else raised
        return max(listed, raised)

    def committed(self, scope: Scope = "run") -> int:
        """Return nano-dollars spent or at risk; attempts in flight are left out."""
        purse = self._purses.get(scope)
        return purse.committed if purse else 0

    def held(self, scope: Scope = "run") -> int:
        """Return nano-dollars that attempts in flight may still cost."""
        purse = self._purses.get(scope)
        if purse is None:
            return 0
        return sum(
            images * (self.ceiling(it) or 0) for it, images in purse.held.items()
        )

    @property
    def today(self) -> int:
        """The UTC day that it is."""
        return day_of(self._now())

    # -- what changes it

    def commit(self, nano: int, *scopes: Scope) -> None:
        """Count money that is spent or at risk."""
        for purse in self._counting(scopes):
            purse.committed += nano

    def hold(self, reservation: Reservation) -> None:
        """Hold money for an attempt that is open already (after a restart)."""
        for purse in self._counting(reservation.scopes):
            purse.held[reservation.group] += reservation.images

    async def reserve(self, wanted: Reservation) -> Reservation:
        """Wait until an attempt fits, and hold its money as sent today.

        Raises:
            GroupsFull: it does not fit into the budget of a column's value by now.
            DayFull: it does not fit into this day's, and nothing is in flight that
                could end below its ceiling.
            DayTooSmall: likewise, and it would not fit into an untouched day's either.
            BudgetReached: likewise, but for the whole run.
        """
        if not self.limits:
            self.hold(wanted)
            return wanted
        while True:
            version = self._changed.version
            day = self.today
            reservation = wanted if wanted.day == day else replace(wanted, day=day)
            match next(self._in_the_way(reservation), None):
                case None:
                    self.hold(reservation)
                    self._full.difference_update(reservation.shares)
                    return reservation
                case Share():
                    full = self.full_shares(reservation)
                    self._full.update(full)
                    raise GroupsFull(self.explain_groups(full))
                case "run" if not self._in_flight("run"):
                    raise BudgetReached(self._explain(reservation))
                case "run":
                    await self._changed.wait(version)
                case day if not self._in_flight(day):
                    raise self._day_is_full(reservation)
                case _:
                    with anyio.move_on_after(self._nap_s()):
                        await self._changed.wait(version)

    def settle(self, reservation: Reservation, nano: int) -> None:
        """Give a reservation back and commit what it cost, or put at risk."""
        for purse in self._counting(reservation.scopes):
            purse.held[reservation.group] -= reservation.images
            purse.committed += nano
        self.settled += 1
        self._changed.notify_all()

    def saw(self, group: Group, per_image: int) -> bool:
        """Take note of a charge; True if it is above the ceiling, which it raises."""
        ceiling = self.ceiling(group)
        if ceiling is None or per_image <= ceiling:
            return False
        self._raised[group[:2]] = per_image
        return True

    async def next_day(self) -> None:
        """Wait until another UTC day has begun."""
        day = self.today
        while self.today == day:  # noqa: ASYNC110 - nothing else tells of midnight
            await anyio.sleep(self._nap_s())

    # -- what can be asked

    def covers(self, reservation: Reservation) -> bool:
        """Say whether what is held may still be sent: today, and within all limits.

        A charge above its ceiling may have raised what others hold meanwhile.
        """
        if not self.limits:
            return True
        kept = all(self._room(it) >= 0 for it in reservation.scopes)
        return kept and (self.limits.day is None or reservation.day == self.today)

    def full_shares(self, wanted: Reservation) -> list[Share]:
        """Return the budgets by column into which a reservation does not fit now."""
        return [it for it in self._in_the_way(wanted) if isinstance(it, Share)]

    def explain_groups(self, shares: Sequence[Share]) -> str:
        """Say which values of columns have used up their budgets, the first of them."""
        words = [f"{it}: {self._used(it)}" for it in shares[:SHOWN]]
        more = len(shares) - len(words)
        return ", ".join([*words, f"and {more} more"] if more else words)

    def _counting(self, scopes: Sequence[Scope]) -> Iterator[_Purse]:
        for scope in scopes:
            if scope == "run" or self.limits.of(scope) is not None:
                yield self._purses.setdefault(scope, _Purse())

    def _in_the_way(self, wanted: Reservation) -> Iterator[Scope]:
        if not self.limits:
            return iter(())
        more = self._price(wanted)
        return (it for it in wanted.scopes if self._room(it) < more)

    def _room(self, scope: Scope) -> float:
        limit = self.limits.of(scope)
        if limit is None:
            return float("inf")
        return limit - self.committed(scope) - self.held(scope)

    def _price(self, wanted: Reservation) -> int:
        return wanted.images * (self.ceiling(wanted.group) or 0)

    def _in_flight(self, scope: Scope) -> bool:
        return (
            any(self._purses[scope].held.values()) if scope in self._purses else False
        )

    def _nap_s(self) -> float:
        left_s = (DAY_MICROS - self._now() % DAY_MICROS) / 1e6
        return min(left_s + 0.001, NAP_S)

    def levels(self) -> list[tuple[Scope, int, int]]:
        """Return what budgets are for, their limits, and what counts for them.

        Of a column's values, only those whose budget is used up.
        """
        scopes: list[Scope] = ["run", self.today, *sorted(self._full)]
        return [
            (scope, limit, self.committed(scope))
            for scope in scopes
            if (limit := self.limits.of(scope)) is not None
        ]

    # -- in words

    def words(self) -> list[str]:
        """Say how the budgets of the day and of a column's values stand, in short."""
        words = []
        if self.limits.day is not None:
            words.append(f"{self._used(self.today)} today")
        if self._full:
            words.append(f"{len(self._full)} of [budget.by] full")
        return words

    def _used(self, scope: Scope) -> str:
        used, limit = self.committed(scope), self.limits.of(scope) or 0
        return f"{self._dollars(used)} of {dollars(limit)}"

    def _dollars(self, nano: int) -> str:
        return dollars(nano, pretend=self._pretend)

    def _explain(self, wanted: Reservation) -> str:
        price = self._dollars(self._price(wanted))
        return (
            f"{self._used('run')} are spent or at risk; the next image may cost {price}"
        )

    def _day_is_full(self, wanted: Reservation) -> BudgetReached:
        price, limit = self._price(wanted), self.limits.of(wanted.day) or 0
        if price > limit:
            return DayTooSmall(
                f"the next image may cost {self._dollars(price)}, and a whole day's "
                f"budget is {dollars(limit)}"
            )
        ends = datetime.fromtimestamp(0, UTC) + timedelta(days=wanted.day + 1)
        return DayFull(
            f"{self._used(wanted.day)} are spent or at risk of what was sent today; "
            f"the next image may cost {self._dollars(price)}; the day ends at "
            f"{ends:%Y-%m-%d %H:%M} UTC"
        )
