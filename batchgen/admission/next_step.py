"""What follows for a part of a row after its attempts so far: a pure decision.

The waits are tenacity's, computed from the ledger's count, so they hold across a
restart; tenacity's own loop would keep the count in memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tenacity import RetryCallState, wait_exponential

from batchgen.errors import Again, Charge
from batchgen.ledger import AttemptRecord, RowRecord
from batchgen.model import OPEN, OnUnknown, State, Status

NO_IMAGE_TRIES = 2
"""An answer without an image may have been charged: it is asked again once at most."""

_backoff = wait_exponential(multiplier=0.5, exp_base=2, max=60)
_factor: ContextVar[float] = ContextVar("factor", default=1.0)


@contextmanager
def short_waits() -> Iterator[None]:
    """Let waits between tries be short in this context, for checks at a sandbox."""
    token = _factor.set(0.01)
    try:
        yield
    finally:
        _factor.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the job allows."""

    max_attempts: int
    on_unknown: OnUnknown
    max_unknown: int


@dataclass(frozen=True, slots=True)
class Part:
    """Some images of one row, bought by one request.

    Attributes:
        first_image: Number of its first image within the row, from 1.
    """

    row_id: int
    first_image: int
    images: int

    @property
    def span(self) -> range:
        """The numbers of its images."""
        return range(self.first_image, self.first_image + self.images)


@dataclass(frozen=True, slots=True)
class Buy:
    """Buy the part; it failed this many times before."""

    tries: int


@dataclass(frozen=True, slots=True)
class RowEnd:
    """The row has come to its end."""

    status: Status
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave the row pending: its provider is done for this run."""


Decision = Buy | RowEnd | Leave


def decide(history: Sequence[AttemptRecord], policy: Policy, provider: str) -> Decision:
    """Say what follows for one part.

    Args:
        history: Its attempts that ended without images, oldest first, those before
            the last `retry` left out.
        policy: What the job allows.
        provider: Who makes it now: what another one refused is no verdict of this one.
    """
    if not history:
        return Buy(0)
    last = history[-1]
    if last.state in (State.UNKNOWN, State.OVERDUE):
        return _after_unknown(history, policy)
    is_own = last.provider == provider
    if last.again is Again.STOP and is_own:
        return Leave()
    if last.again is Again.NEVER and is_own:
        status = Status.REFUSED if last.error == "refused" else Status.FAILED
        return RowEnd(status, last.error, last.message)
    without_image = sum(attempt.error == "no_image" for attempt in history)
    may_not_go_on = (
        _counted(history) >= policy.max_attempts
        or without_image >= NO_IMAGE_TRIES
        or not _may_risk(history, policy)
    )
    if may_not_go_on:
        return RowEnd(Status.FAILED, last.error, last.message)
    return Buy(len(history))


def may_move(history: Sequence[AttemptRecord], policy: Policy) -> bool:
    """Say whether another provider may be asked for what these attempts did not bring.

    Only where nothing was charged for certain, or what may have been charged is within
    the risk that the job allows.
    """
    is_unpaid = all(
        attempt.charge in (Charge.NONE, Charge.UNKNOWN) for attempt in history
    )
    has_tries = _counted(history) < policy.max_attempts
    return is_unpaid and has_tries and _may_risk(history, policy)


def may_lose(history: Sequence[AttemptRecord], policy: Policy) -> bool:
    """Say whether a part would be bought again if one more purchase of it were lost."""
    lost = sum(attempt.charge is Charge.UNKNOWN for attempt in history) + 1
    has_tries = _counted(history) + 1 < policy.max_attempts
    return policy.on_unknown == "retry" and lost <= policy.max_unknown and has_tries


def _may_risk(history: Sequence[AttemptRecord], policy: Policy) -> bool:
    """Say whether one more may be bought after failures that may have been charged.

    A failed task is no unknown outcome, but its price is as much at risk; and what was
    charged for an answer without an image is gone.
    """
    risky = sum(
        attempt.charge is Charge.UNKNOWN
        or (attempt.error == "no_image" and attempt.charge is not Charge.NONE)
        for attempt in history
    )
    if not risky:
        return True
    return policy.on_unknown == "retry" and risky <= policy.max_unknown


def _after_unknown(history: Sequence[AttemptRecord], policy: Policy) -> Decision:
    last = history[-1]
    unknown = sum(attempt.state is State.UNKNOWN for attempt in history)
    counted = _counted(history)
    may_retry = (
        policy.on_unknown == "retry"
        and last.state is State.UNKNOWN
        and last.again is not Again.NEVER
        and unknown <= policy.max_unknown
        and counted < policy.max_attempts
    )
    if may_retry:
        return Buy(len(history))
    return RowEnd(Status.HELD, last.error, last.message)


def _counted(history: Sequence[AttemptRecord]) -> int:
    return sum(attempt.counts and not attempt.waived for attempt in history)


def history_of(
    attempts: Sequence[AttemptRecord], part: Part, tries_from: int
) -> list[AttemptRecord]:
    """Return a part's attempts that ended without images since the last `retry`."""
    return [
        attempt
        for attempt in attempts
        if attempt.attempt_id > tries_from
        and attempt.state not in OPEN
        and attempt.state is not State.STORED
        and attempt.first_image < part.first_image + part.images
        and part.first_image < attempt.first_image + attempt.images
    ]


def others_hold(
    attempts: Sequence[AttemptRecord], part: Part, policy: Policy, row: RowRecord
) -> bool:
    """Say whether another part of a row is held, so that the row is as a whole."""
    for attempt in attempts:
        if attempt.state in (State.UNKNOWN, State.OVERDUE):
            other = Part(attempt.row_id, attempt.first_image, attempt.images)
            history = history_of(attempts, other, row.tries_from)
            decision = decide(history, policy, attempt.provider)
            is_held = isinstance(decision, RowEnd) and decision.status is Status.HELD
            if is_held and not set(other.span) & set(part.span):
                return True
    return False


def missing_parts(
    row_id: int,
    n: int,
    have: set[int],
    attempts: Sequence[AttemptRecord],
    max_images: int,
) -> Iterator[Part]:
    """Yield what is still to be bought of a row, in parts of at most `max_images`.

    Images that an open attempt may still bring are not missing.
    """
    busy = set(have)
    for attempt in attempts:
        if attempt.state in OPEN:
            busy.update(
                range(attempt.first_image, attempt.first_image + attempt.images)
            )
    first = 1
    while first <= n:
        if first in busy:
            first += 1
            continue
        images = 1
        while (
            images < max_images and first + images <= n and first + images not in busy
        ):
            images += 1
        yield Part(row_id, first, images)
        first += images


def wait_s(tries: int, floor_s: float | None, rng: random.Random) -> float:
    """Return seconds to wait before the next try: growing, jittered, above the floor.

    Args:
        tries: How often it failed so far.
        floor_s: What the provider asked for.
        rng: Where the jitter comes from.
    """
    if tries == 0:
        return floor_s or 0.0
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = min(tries, 20)
    backoff_s = _backoff(state) * _factor.get()
    return max(backoff_s * rng.uniform(0.5, 1.0), floor_s or 0.0)
