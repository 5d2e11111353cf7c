"""How much work a template may do for one row, measured before the work is done.

Python cannot interrupt one long call, such as padding a text to a billion characters,
so a limit of time alone would come too late. Each operation is therefore charged by the
size of what it reads and makes, before it runs; the clock is only looked at between.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, KeysView, Mapping, ValuesView
from time import thread_time

MAX_WORK = 5_000_000
"""Characters, list items and steps for one row: some tenths of a second."""

MAX_SECONDS = 1.0
"""Of the CPU, for one row: other programs that keep the machine busy do not count."""

CALL_WORK = 100
"""What a call takes, whatever it is given."""

STEP_WORK = 20
"""What one step of a loop takes."""

_WORK_BETWEEN_LOOKS = 20_000
_ITEM_WORK = 20  # what it takes to look at an item, in characters
_WORDS = "shorten its loops, repetitions and paddings"


class TooMuchWork(ValueError):
    """A template passed a limit of work or time while it filled in one row."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the template cannot be filled: {reason}")
        self.reason = reason


class WorkMeter:
    """Counts the work that a template does for one row."""

    __slots__ = ("_clock", "_next_look", "_started_at", "left")

    def __init__(self, clock: Callable[[], float] = thread_time) -> None:
        """Begin to count.

        Args:
            clock: Seconds of the CPU that this thread has used.
        """
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin with the next row."""
        self.left = MAX_WORK
        self._next_look = MAX_WORK - _WORK_BETWEEN_LOOKS
        self._started_at: float | None = None

    def charge(self, work: int) -> None:
        """Count work that is about to be done.

        Raises:
            TooMuchWork: it would be more than a row may take, or time is up.
        """
        self.left -= work
        if self.left < self._next_look:
            self._look()

    def _look(self) -> None:
        if self.left < 0:
            raise TooMuchWork(
                f"it needs more than {MAX_WORK:,} characters and steps for one row: "
                f"{_WORDS}"
            )
        # Most rows never come so far, and need not ask for the time at all.
        now = self._clock()
        if self._started_at is None:
            self._started_at = now
        elif now - self._started_at > MAX_SECONDS:
            raise TooMuchWork(f"it takes longer than {MAX_SECONDS:.0f} s: {_WORDS}")
        self._next_look = self.left - _WORK_BETWEEN_LOOKS


def weigh(value: object, limit: int = MAX_WORK) -> int:
    """Return the size of a value with all that it holds, in characters and items.

    What is held several times counts each time, since text made of it would be so
    large: a list that doubles itself forty times stays small in memory alone.

    Args:
        value: Anything that a template can have.
        limit: Where counting ends.
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
        elif isinstance(item, _HOLDERS):
            stack.extend(item)
    return total


_HOLDERS = (list, tuple, set, frozenset, KeysView, ValuesView, ItemsView)
