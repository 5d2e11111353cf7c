"""Rows that wait for the image of another row, and how that one stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from batchgen.ledger.plan_findings import RowWithoutSuccess
from batchgen.ledger.reader import Reader
from batchgen.model import Status
from batchgen.model.row_scope import RowScope

_STANDINGS = {
    Status.FAILED: "failed",
    Status.REFUSED: "was refused",
    Status.HELD: "is held",
    Status.INVALID: "is invalid",
}
_LEFT_OUT = ", and is not among the rows of this run"


class WaitingRow(NamedTuple):
    """A row without images, and the row on whose image it builds.

    Attributes:
        parent: Id of that row, or its position.
        parent_status: None while that row is not read yet.
        row_id: Of its version in the ledger.
        parent_position: Of the other row.
    """

    position: int
    parent: str | int
    parent_status: Status | None
    line: int | None
    row_id: int
    provider: str | None
    parent_position: int

    @property
    def message(self) -> str:
        """Why it waits."""
        standing = "has no image yet"
        if self.parent_status is not None:
            standing = _STANDINGS.get(self.parent_status, standing)
        return f"it builds on row:{self.parent}, which {standing}"


def waiting_rows(ledger: Reader, first: int, end: int) -> Iterator[WaitingRow]:
    """Yield the rows between two positions that wait for another row's image."""
    values = {"generation": ledger.generation, "first": first, "end": end}
    for row in ledger.execute("rows_waiting_for_others", values):
        status = None if row["status"] is None else Status(row["status"])
        yield WaitingRow(row[0], row[1], status, *row[3:])


def waiting_messages(ledger: Reader, first: int, end: int) -> dict[int, str]:
    """Return why rows wait, by position."""
    messages: dict[int, str] = {}
    for row in waiting_rows(ledger, first, end):
        messages.setdefault(row.position, row.message)
    return messages


def has_parents(ledger: Reader) -> bool:
    """Say whether any row builds on another."""
    return ledger.has_any("parents_any", (ledger.generation,))


def rows_without_parents(ledger: Reader, end: int) -> Iterator[RowWithoutSuccess]:
    """Yield the rows that build on one without an image which will not get one now.

    It ended without one, or is not among the rows in scope.
    """
    scope = end if isinstance(end, RowScope) else RowScope(end)
    last: int | None = None
    for row in waiting_rows(ledger, 0, end):
        is_left_out = row.parent_position not in scope
        is_hopeless = row.parent_status in _STANDINGS or is_left_out
        if row.position == last or not is_hopeless:
            continue
        last = row.position
        yield RowWithoutSuccess(
            position=row.position,
            line=row.line,
            row_id=row.row_id,
            status=Status.PENDING,
            provider=None,
            error=None,
            message=row.message + (_LEFT_OUT if is_left_out else ""),
            column=None,
        )
