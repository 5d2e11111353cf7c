"""Limit the work of a template for one row, charged before each operation.

Python cannot interrupt one long call, such as padding a text to a billion characters.
So a limit of time alone would come too late: each operation is charged before it runs,
by the size of its input and output, and the clock is checked only in between.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, KeysView, Mapping, ValuesView
from time import thread_time

MAX_WORK = 5_000_000
"""Characters, list items and steps for one row: some tenths of a second."""

MAX_SECONDS = 1.0
"""CPU time for one row: time of other programs does not count."""

CALL_WORK = 100
"""Work of a call, besides its arguments."""

STEP_WORK = 20
"""Work of one step of a loop."""

_WORK_BETWEEN_CHECKS = 20_000
_ITEM_WORK = 20  # to visit an item, in characters
_ADVICE = "shorten its loops, repetitions and paddings"


class TooMuchWork(ValueError):
    """A template exceeded a limit of work or time in one row."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the template cannot be filled: {reason}")
        self.reason = reason


class WorkMeter:
    """Counts the work of a template for one row."""

    __slots__ = ("_clock", "_next_check", "_started_at", "left")

    def __init__(self, clock: Callable[[], float] = thread_time) -> None:
        """Begin to count.

        Args:
            clock: Returns the CPU time of this thread in seconds.
        """
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin with the next row."""
        self.left = MAX_WORK
        self._next_check = MAX_WORK - _WORK_BETWEEN_CHECKS
        self._started_at: float | None = None

    def charge(self, work: int) -> None:
        """Count work that will be done next.

        Raises:
            TooMuchWork: this would exceed a limit of work or time.
        """
        self.left -= work
        if self.left < self._next_check:
            self._check()

    def _check(self) -> None:
        if self.left < 0:
            raise TooMuchWork(
                f"it needs more than {MAX_WORK:,} characters and steps for one row: "
                f"{_ADVICE}"
            )
        # Most rows do so little work that the clock is never read.
        now = self._clock()
        if self._started_at is None:
            self._started_at = now
        elif now - self._started_at > MAX_SECONDS:
            raise TooMuchWork(f"it takes longer than {MAX_SECONDS:.0f} s: {_ADVICE}")
        self._next_check = self.left - _WORK_BETWEEN_CHECKS


def weigh(value: object, limit: int = MAX_WORK) -> int:
    """Return the size of a value with its content, in characters and items.

    Content that is contained several times counts each time, as in a text of the value:
    a list that was doubled forty times is small only in memory.

    Args:
        value: Any value of a template.
        limit: Counting stops here.
    """
    if isinstance(value, str):
        return 1 + len(value)
    total, stack = 0, [value]
    while stack and total <= limit:
        item = stack.pop()
        total += _ITEM_WORK
        if isinstance(item, str | bytes | bytearray):
            total += len(item)
        elif isinstance(item, int):
            total += item.bit_length() // 32
        elif item is None or isinstance(item, float):
            pass
        elif isinstance(item, Mapping):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, _CONTAINERS):
            stack.extend(item)
    return total


_CONTAINERS = (list, tuple, set, frozenset, KeysView, ValuesView, ItemsView)
