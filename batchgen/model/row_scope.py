"""Which rows of the manifest a run is about."""

from __future__ import annotations

from typing import Self

EVERY_ROW = 1 << 62
"""A position behind every manifest's end."""


class RowScope(int):
    """The position behind the last row in scope, and which rows before it are chosen.

    It is a number, since most scopes are the first rows of the table.

    Attributes:
        flags: One byte for each row, 1 for those in scope; None for all rows before
            the position.
    """

    flags: bytes | None

    def __new__(cls, end: int = EVERY_ROW, flags: bytes | None = None) -> Self:
        scope = super().__new__(cls, end)
        scope.flags = flags
        return scope

    @classmethod
    def of_flags(cls, flags: bytes) -> Self:
        """Return the scope of a choice."""
        return cls(flags.rfind(1) + 1, flags)

    def __contains__(self, position: int) -> bool:
        """Tell whether a row is in scope."""
        if not 0 <= position < self:
            return False
        return self.flags is None or self.flags[position] == 1

    def before(self, position: int | None) -> RowScope:
        """Return the part of the scope before a position."""
        if position is None or position >= self:
            return self
        return RowScope(position, self.flags)

    def count(self, rows: int) -> int:
        """Return how many of the first rows of the table are in scope."""
        if self.flags is None:
            return min(rows, self)
        return self.flags.count(1, 0, min(rows, self))
