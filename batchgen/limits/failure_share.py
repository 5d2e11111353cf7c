"""Whether nearly every row fails for its own sake."""

from __future__ import annotations

from collections import deque
from math import ceil


class Failures:
    """The last rows that came to their end by a purchase.

    Args:
        share: Share of failures among them that is too many; None for never.
    """

    OVER = 50

    def __init__(self, share: float | None) -> None:
        self._max_failures = None if share is None else ceil(share * self.OVER - 1e-9)
        self._ended: deque[bool] = deque(maxlen=self.OVER)

    def record_end(self, *, well: bool) -> None:
        """Record a row's end."""
        self._ended.append(well)

    @property
    def count(self) -> int:
        """How many of the last rows failed."""
        return self._ended.count(False)

    @property
    def are_too_many(self) -> bool:
        """Whether it is better to stop; never before there are enough rows."""
        if self._max_failures is None or len(self._ended) < self.OVER:
            return False
        return self.count >= self._max_failures
