"""How long purchases take at one provider: an answer can be too quick for one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

REMEMBERED = 200
"""Successes that are remembered; the fastest of the last `COMPARED` counts."""
COMPARED = 20

MIN_S = 0.4
"""A provider that sells faster may have sold before any answer [assumed]."""

QUICK, QUICK_S = 0.25, 1.0
"""An answer within this share of the fastest success, and so many seconds, has bought
nothing [assumed]. However long purchases take: what a gateway refuses to pass on comes
at once, and what comes later may have been passed on and lost."""

BESIDE_S = 5.0
"""Others succeed beside an answer when they left within so many seconds before it and
after it: an outage in between would have met one of them [assumed]."""

JUST_BEFORE_S = 1.0
"""Where nothing is left that could leave after it, one that left so shortly before is
enough, for a single answer [assumed]."""


class ReplyTimes:
    """Tells answers that came too quickly for a purchase, while others succeed.

    A long body says nothing of how long the provider worked: times are to the head.

    Args:
        clock: Monotonic seconds.

    Attributes:
        undecided: When the requests left whose answers wait for others, which tell what
            they mean; oldest first.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # When each request left, and seconds from then to the head of its reply.
        self._successes: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        self._waiting: dict[int, float] = {}  # when requests left that have no answer
        self.undecided: list[float] = []

    def record_sent(self, number: int, at: float) -> None:
        """Record a request that was sent."""
        self._waiting[number] = at

    def record_answer(self, number: int) -> None:
        """Record that a purchase is no longer waited for, whatever came."""
        self._waiting.pop(number, None)

    def record_success(self, sent_at: float, took_s: float) -> None:
        """Record a purchase that was delivered or accepted, and how long that took."""
        self._successes.append((sent_at, took_s))

    def is_too_quick(self, took_s: float) -> bool | None:
        """Say whether an answer was too quick for a purchase.

        None for one that may have been, before a success shows how long they take.
        """
        last = list(self._successes)[-COMPARED:]
        if not last:
            return None if took_s <= QUICK_S else False
        fastest_s = min(took_s for _, took_s in last)
        return fastest_s >= MIN_S and took_s <= min(QUICK_S, QUICK * fastest_s)

    def others_succeed(self, sent_at: float, took_s: float = 0.0) -> bool | None:
        """Say whether others succeed beside an answer; None while that is not known.

        What is waited for longer than quick answers take was passed on: in an outage it
        would have been answered like the others. What left before the answer came does
        not count as later: an outage may have begun in between.

        Args:
            sent_at: When its request left.
            took_s: Seconds until it was answered.
        """
        answered_at = sent_at + took_s
        lefts = [at for at, _ in self._successes]
        lefts += [at for at in self._waiting.values() if self._clock() >= at + MIN_S]
        is_before = any(sent_at - BESIDE_S <= at <= sent_at for at in lefts)
        is_after = any(answered_at < at <= answered_at + BESIDE_S for at in lefts)
        if is_before and is_after and self._successes:
            return True
        within = sent_at - BESIDE_S, answered_at + BESIDE_S
        if any(within[0] <= at <= within[1] for at in self._waiting.values()):
            return None
        return None if self._clock() <= within[1] else False

    def is_passing(self) -> bool:
        """Say whether one is waited for that left behind the first undecided answer.

        An outage would have answered it as quickly.
        """
        first = self.undecided[0] if self.undecided else float("inf")
        return any(at > first for at in self._waiting.values())

    def succeeded_just_before(self, sent_at: float) -> bool:
        """Say whether a purchase succeeded that left just before."""
        return any(
            sent_at - JUST_BEFORE_S <= at <= sent_at for at, _ in self._successes
        )
