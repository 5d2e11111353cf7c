"""What may still be spent: reservations at the ceiling, actual cost when it is known.

Nothing here is stored: what is reserved follows from the attempts that are open, so
a new process starts from the ledger's sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from batchgen.errors import BudgetReached
from batchgen.model import dollars

Group = tuple[str, str | None]
"""Provider and resolution: what a price, and so a ceiling, holds for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Money held for one attempt.

    Attributes:
        group: Whose ceiling it is held at.
        images: Images of the attempt; the ceiling is that of one.
    """

    group: Group
    images: int


class Budget:
    """One limit over a whole run folder, in nano-dollars.

    Args:
        limit: Most that may be spent; None for no limit.
        committed: Spent, retired and at risk so far, attempts that are open left out.
        ceilings: What one image of a group may cost at most; None if unknown.
    """

    def __init__(
        self,
        limit: int | None,
        committed: int,
        ceilings: Callable[[Group], int | None],
    ) -> None:
        self.limit = limit
        self.committed = committed
        self._ceilings = ceilings
        self._raised: dict[Group, int] = {}
        self._held: Counter[Group] = Counter()
        self._changed = anyio.Event()

    def ceiling(self, group: Group) -> int | None:
        """Return what one image may cost at most, by list or by what was charged."""
        listed = self._ceilings(group)
        raised = self._raised.get(group)
        if listed is None or raised is None:
            return listed if raised is None else raised
        return max(listed, raised)

    @property
    def held(self) -> int:
        """Nano-dollars that attempts in flight may still cost."""
        return sum(
            images * (self.ceiling(group) or 0) for group, images in self._held.items()
        )

    def hold(self, reservation: Reservation) -> None:
        """Hold money for an attempt that is open already (after a restart)."""
        self._held[reservation.group] += reservation.images

    async def reserve(self, reservation: Reservation) -> None:
        """Wait until an attempt fits, and hold its money.

        Raises:
            BudgetReached: it does not fit, and nothing is in flight that could end
                below its ceiling.
        """
        while not self._fits(reservation):
            if not self._in_flight():
                raise BudgetReached(self._explain(reservation))
            await self._changed.wait()
        self.hold(reservation)

    def settle(self, reservation: Reservation, nano: int) -> None:
        """Give a reservation back and commit what it cost, or put at risk."""
        self._held[reservation.group] -= reservation.images
        self.committed += nano
        self._wake()

    def saw(self, group: Group, per_image: int) -> bool:
        """Take note of a charge; True if it is above the ceiling, which it raises."""
        ceiling = self.ceiling(group)
        if ceiling is None or per_image <= ceiling:
            return False
        self._raised[group] = per_image
        return True

    def _fits(self, reservation: Reservation) -> bool:
        if self.limit is None:
            return True
        more = reservation.images * (self.ceiling(reservation.group) or 0)
        return self.committed + self.held + more <= self.limit

    def _in_flight(self) -> bool:
        return any(self._held.values())

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _explain(self, reservation: Reservation) -> str:
        price = reservation.images * (self.ceiling(reservation.group) or 0)
        used = f"{dollars(self.committed)} of {dollars(self.limit or 0)}"
        return f"{used} are spent or at risk; the next image may cost {dollars(price)}"
