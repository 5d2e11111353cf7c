"""Whether answers are about the provider as a whole, or about single rows.

One row's answer is a verdict on one row: a prompt that is too long can be answered by
404, one that a firewall dislikes by 403. Several different rows in turn that meet the
same say something of the provider.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil

ROWS_AT_FIRST = 2
"""Different rows in turn that must meet the same before anything has worked."""

ROWS_LATER = 3
"""Likewise, once something has worked."""


OWN_THROTTLES = 10
"""So often one row is throttled with nothing else in flight, although others were
accepted meanwhile, before the row itself is taken for the cause [assumed]."""

REMEMBERED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """One purchase that was refused for a reason that may concern all rows.

    Attributes:
        first_image: It identifies the part within the row.
        kind: Name of the error: rows must meet the same one.
        sent_at: Monotonic seconds; None for one that an earlier process sent.
        refused_at: Monotonic seconds.
    """

    row_id: int
    attempt_id: int
    first_image: int
    kind: str
    sent_at: float | None
    refused_at: float


@dataclass(slots=True)
class _Throttled:
    """What one row met.

    Attributes:
        alone: How often it was throttled with nothing else in flight.
        successes: Of the provider, when the row was throttled first.
    """

    successes: int
    alone: int = 0


class Verdicts:
    """Counts different rows in turn that one provider refuses, or answers in vain."""

    def __init__(self) -> None:
        self._refusals: list[Refusal] = []
        # By row and part, whatever the kind.
        self._refused_at: dict[tuple[int, int], float] = {}
        self._useless_purchases: list[int] = []
        self._useless_answers: list[int] = []
        self._useless_images: list[int] = []
        self._throttled: dict[int, _Throttled] = {}
        self._succeeded_at = -float("inf")
        self._successes = 0

    def record_refusal(self, refusal: Refusal, rows: int) -> list[Refusal] | None:
        """Record a refusal.

        Args:
            refusal: The purchase.
            rows: How many different rows must meet the same.

        Returns:
            All refusals in turn if there are enough of them, else None. A part that is
            refused again is enough, too, also for another reason: it is asked again
            when nothing else is left.
        """
        if refusal.sent_at is not None and refusal.sent_at < self._succeeded_at:
            return None  # it left before something worked, so it proves nothing
        if self._refusals and self._refusals[0].kind != refusal.kind:
            self._refusals.clear()
        if all(other.row_id != refusal.row_id for other in self._refusals):
            self._refusals.append(refusal)
        part = refusal.row_id, refusal.first_image
        refused_at = self._refused_at.setdefault(part, refusal.refused_at)
        is_again = refusal.sent_at is not None and refusal.sent_at >= refused_at
        enough = is_again or len(self._refusals) >= rows
        return list(self._refusals) if enough else None

    def record_success(self, at: float) -> None:
        """Record a purchase that was accepted, at these monotonic seconds."""
        self.record_answer()
        self._succeeded_at = at
        self._successes += 1

    def record_answer(self) -> None:
        """Record an answer that refuses neither key, credit nor model."""
        self._refusals.clear()
        self._refused_at.clear()

    def record_useless_answer(self, row_id: int, *, is_accepted: bool) -> bool:
        """Record an answer that cannot be read; True if it is a third row's.

        Args:
            row_id: The row.
            is_accepted: Whether the answer is about a task that was accepted before.
        """
        row_ids = self._useless_answers if is_accepted else self._useless_purchases
        return _is_third(row_ids, row_id)

    def record_useless_image(self, row_id: int) -> bool:
        """Take note of bytes that are no image; True if they are a third row's."""
        return _is_third(self._useless_images, row_id)

    def record_task(self) -> None:
        """Record a purchase that made a task: it may end without images."""
        self._useless_purchases.clear()

    def record_useful_answer(self) -> None:
        """Record an answer that brought images, or their links."""
        self._useless_purchases.clear()
        self._useless_answers.clear()

    def record_useful_image(self) -> None:
        """Record an image that is in the archive."""
        self._useless_images.clear()

    def record_throttle(self, row_id: int, *, is_alone: bool) -> bool:
        """Record a 429; True if it is about this row alone."""
        if row_id not in self._throttled and len(self._throttled) >= REMEMBERED_ROWS:
            del self._throttled[next(iter(self._throttled))]
        record = self._throttled.setdefault(row_id, _Throttled(self._successes))
        record.alone += is_alone
        return record.alone >= OWN_THROTTLES and self._successes > record.successes


def _is_third(rows: list[int], row_id: int) -> bool:
    if row_id not in rows:
        rows.append(row_id)
    return len(rows) >= ROWS_LATER


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
