"""When the next request may be sent: by the rate, a pause asked for, or an outage."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import anyio

WINDOW_S = 60.0
# The provider counts requests as they arrive, batchgen as they leave. Between a slow
# request and a quick one, the gap at the provider can be shorter than here.
MARGIN_S = 0.3
# A wake-up that is later than this is not made up for: no request was waiting.
LATE_S = 0.5

SLOW_S, FASTER = 0.5, 0.9
"""After a slow beginning the first gap is so long, and each gap is this share of the
one before it: without a limit all may leave after some five seconds."""
SHORTEST_S = 0.002
"""A gap of a slow beginning that is shorter is none any more."""


class RateLimiter:
    """The times at which purchases left, and when the next one may.

    Args:
        rpm: Maximum of requests in any 60 s, evenly paced; None for no limit.
        clock: Monotonic seconds.
        counts: Whether requests are counted without a limit, too, because one may be
            measured.

    Attributes:
        window_s: Seconds for which requests are counted.
    """

    def __init__(
        self, rpm: float | None, clock: Callable[[], float], *, counts: bool = False
    ) -> None:
        self.clock = self._clock = clock
        self._counts = counts or rpm is not None
        self._left: deque[float] = deque()
        self._granted = 0
        self._next = -float("inf")
        self._paused_until = -float("inf")
        self._not_before = -float("inf")
        self._queue = anyio.Lock()
        window = WINDOW_S + MARGIN_S
        self._stated_max = None if rpm is None else max(1, int(rpm))
        # Below one a minute the window itself grows.
        self.window_s = window if rpm is None or rpm >= 1 else window / rpm
        self._stated_gap_s = 0.0 if rpm is None else self.window_s / max(1, int(rpm))
        self._slow_gap_s = 0.0
        self.pace_at(float("inf"))

    def pace_at(self, rpm: float, *, by_window: bool = False) -> None:
        """Send purchases no faster than a measured rate; infinite for no such rate.

        What the job states holds beside that.

        Args:
            rpm: Purchases in a minute, evenly paced.
            by_window: Whether the provider counts what it took in the last minute:
                then what left before the rate was measured counts, too.
        """
        self._measured_gap_s = (WINDOW_S + MARGIN_S) / rpm
        self._max_in_window = self._stated_max
        if by_window and self._counts:
            measured_rpm = max(1, int(rpm))
            self._max_in_window = (
                measured_rpm
                if self._max_in_window is None
                else min(self._max_in_window, measured_rpm)
            )

    def begin_slowly(self) -> None:
        """Let the next purchases leave one by one, each sooner than the one before."""
        self._slow_gap_s = SLOW_S

    @property
    def gap_s(self) -> float:
        """Seconds between one request and the next, as things stand."""
        return max(self._stated_gap_s, self._measured_gap_s, self._slow_gap_s)

    def seed(self, ages_s: Iterable[float]) -> None:
        """Count requests of an earlier process, by how many seconds ago each left."""
        now = self._clock()
        if self._counts:
            self._left.extend(now - age_s for age_s in sorted(ages_s, reverse=True))
            if self._left:
                self._next = self._left[-1] + self.gap_s

    def pause(self, seconds: float) -> None:
        """Let nothing leave for a while, polls included: the provider asked for it."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        self.hold(seconds)

    def pause_left_s(self) -> float:
        """Return for how long the provider asked that nothing be sent."""
        return max(0.0, self._paused_until - self._clock())

    def hold(self, seconds: float) -> None:
        """Let no purchase leave for a while: we think it better."""
        self._not_before = max(self._not_before, self._clock() + seconds)

    def wait_s(self) -> float:
        """Return for how long nothing may leave."""
        return max(0.0, self._due() - self._clock())

    def in_window(self) -> int:
        """Return how many left in the last 60 s, or are about to."""
        self._forget()
        return len(self._left) + self._granted

    def span_s(self) -> float:
        """Return seconds since the first request of the last minute; 0 for none."""
        self._forget()
        return self._clock() - self._left[0] if self._left else 0.0

    def record_sent(self, at: float) -> None:
        """Count a granted request at the time when it really left."""
        self._granted -= 1
        if self._counts:
            self._left.append(at)

    def cancel(self) -> None:
        """Take a grant back: nothing was sent."""
        self._granted -= 1

    def may_grant(self) -> bool:
        """Grant a request if there is nothing to wait for; False if there is.

        No other task runs meanwhile: when hundreds of slots become free at once, they
        are filled at once.
        """
        due = self._due()
        may = due <= self._clock() and not self._queue.locked()
        if may:
            self._take(due)
        return may

    async def grant(self) -> None:
        """Wait, in order of arrival, until one more may leave.

        The caller then calls `record_sent` or `cancel`. A grant that has not
        left yet counts as leaving now, so a slow disk between the two cannot make
        the rate pass its limit.
        """
        if self.may_grant():
            return
        async with self._queue:
            # One look at the clock: by a second one the time may have come.
            while (left_s := (due := self._due()) - self._clock()) > 0:  # noqa: ASYNC110
                await anyio.sleep(left_s)
            self._take(due)

    def _take(self, due: float) -> None:
        # A late wake-up is made up for, by one gap at most, so that no rate is lost to
        # it. At the start, after a restart or a pause, there is nothing to make up for.
        # A measured gap is kept: else the next request would be refused.
        now = self._clock()
        gap_s = self.gap_s
        is_late = now - due < LATE_S and gap_s == self._stated_gap_s
        start = max(due, now - gap_s) if is_late else now
        self._next = start + gap_s
        self._granted += 1
        self._slow_gap_s *= FASTER
        if self._slow_gap_s < SHORTEST_S:
            self._slow_gap_s = 0.0

    def _due(self) -> float:
        due = max(self._not_before, self._next)
        if self._max_in_window is None:
            return due
        if self.in_window() < self._max_in_window:
            return due
        if not self._left:
            return max(due, self._clock() + self.gap_s)
        # After the limit was lowered, more than one must be forgotten first.
        last = min(self.in_window() - self._max_in_window, len(self._left) - 1)
        return max(due, self._left[last] + self.window_s)

    def _forget(self) -> None:
        now = self._clock()
        while self._left and self._left[0] + self.window_s <= now:
            self._left.popleft()
