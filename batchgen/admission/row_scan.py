"""Rows of one provider in manifest order; rows whose budget is used up wait.

A group is a row's values of the columns that have budgets. One that is full is closed:
its rows are passed over, and only where the first of them stands is remembered. When
money comes back to it, those rows are read again, once all others were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from batchgen.admission.next_step import Part
from batchgen.budget import Budget, ColumnValue, Reservation
from batchgen.ledger import PlannedRow, Reader
from batchgen.model import Status
from batchgen.model.row_scope import RowScope

SLICE = 256
"""Rows that are read ahead of their purchase."""


@dataclass(slots=True)
class _FullGroup:
    """A group without room.

    Attributes:
        reservation: What did not fit.
        held: What its attempts in flight could cost when it was closed.
        first: Position of the first row that was passed over; None for none.
        aside: Parts that had been read before it was closed, first what did not fit.
    """

    reservation: Reservation
    held: int
    first: int | None = None
    aside: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class _SecondReading:
    """A second reading, of groups that have room again: each from its own row on."""

    firsts: dict[str, int]
    after: int
    end: int


class RowScan:
    """Reads the rows of one provider.

    Args:
        ledger: Where they stand.
        budget: Says what fits.
        provider: That makes them.
        end: Position behind the last.

    Attributes:
        may_have_more: Whether another slice may follow at once.
    """

    def __init__(
        self, ledger: Reader, budget: Budget, provider: str, end: RowScope
    ) -> None:
        self._ledger = ledger
        self._budget = budget
        self._provider = provider
        self._end = end
        self._after = -1
        self._closed: dict[str, _FullGroup] = {}
        self._second_reading: _SecondReading | None = None
        self._looked_at = 0
        self.may_have_more = True

    @property
    def scanned_to(self) -> int:
        """Position of the last row that was read in order."""
        return self._after

    def read(self) -> list[PlannedRow]:
        """Return rows of the next slice, without those of closed groups."""
        again = self._second_reading
        if again:
            rows = self._read_again(again)
        elif rows := self._ledger.waiting(
            self._provider, self._after, self._end, SLICE
        ):
            self._after = rows[-1].position
        self.may_have_more = bool(rows) or again is not None
        if again is not None:
            # What stands above was handed out before its group was closed.
            firsts = again.firsts
            rows = [
                row
                for row in rows
                if row.position >= firsts[row.row.budget_group or ""]
            ]
        return [row for row in rows if not self._is_passed_over(row)]

    def _read_again(self, again: _SecondReading) -> list[PlannedRow]:
        rows = self._ledger.waiting(
            self._provider,
            again.after,
            self._end.before(again.end),
            SLICE,
            again.firsts,
        )
        if rows:
            again.after = rows[-1].position
        else:
            self._second_reading = None
        return rows

    def _is_passed_over(self, planned: PlannedRow) -> bool:
        closed = self._closed.get(planned.row.budget_group or "")
        if closed is None:
            return False
        if closed.first is None or planned.position < closed.first:
            closed.first = planned.position
        return True

    # -- groups without room

    def close(self, budget_group: str, reservation: Reservation, part: Part) -> None:
        """Close a group for a part that did not fit; the part comes again."""
        if budget_group not in self._closed:
            self._closed[budget_group] = _FullGroup(
                reservation, self._held(reservation)
            )
        self._closed[budget_group].aside.append(part)

    def set_aside(self, budget_group: str | None, part: Part) -> bool:
        """Keep a part for later if its group is closed; False if it is not."""
        closed = self._closed.get(budget_group or "")
        if closed is not None:
            closed.aside.append(part)
        return closed is not None

    def reopen(self) -> Iterator[Part]:
        """Open groups that have room again; yield the parts that were set aside.

        To be called when all rows that were read are handed out: what is read again
        begins where the first row of a group was passed over.
        """
        settled = self._budget.settled
        is_soon = settled - self._looked_at < len(self._closed) // 8
        if self._second_reading is not None or (is_soon and self.may_reopen()):
            return
        self._looked_at = settled
        opened = {
            name: closed
            for name, closed in self._closed.items()
            if self._has_room(closed)
        }
        firsts = {
            name: closed.first
            for name, closed in opened.items()
            if closed.first is not None
        }
        if firsts:
            self._second_reading = _SecondReading(
                firsts, min(firsts.values()) - 1, self._after + 1
            )
        for name, closed in opened.items():
            del self._closed[name]
            yield from closed.aside

    def _has_room(self, closed: _FullGroup) -> bool:
        held = self._held(closed.reservation)
        # Not for each attempt that ends: every second reading passes over many rows.
        if 2 * held > closed.held:
            return False
        if not self._budget.full_column_values(closed.reservation):
            return True
        # Nothing comes back any more; but what did not fit may have lost its row.
        row_id = closed.aside[0].row_id
        return held == 0 and self._ledger.status(row_id) is not Status.PENDING

    def _held(self, reservation: Reservation) -> int:
        return sum(
            self._budget.held(column_value)
            for column_value in reservation.column_values
        )

    def may_reopen(self) -> bool:
        """Say whether money in flight could still come back to a closed group."""
        return any(self._held(closed.reservation) for closed in self._closed.values())

    def full_column_values(self) -> set[ColumnValue]:
        """Return the budgets by column that keep rows from being bought."""
        return {
            column_value
            for closed in self._closed.values()
            for column_value in self._budget.full_column_values(closed.reservation)
        }
