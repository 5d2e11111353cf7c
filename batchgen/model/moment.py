"""Moments as the ledger keeps them: whole microseconds UTC since 1970."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

# Result tables of a million rows need millions of moments, so these are made once.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now_micros() -> int:
    """Return the current time."""
    return time.time_ns() // 1000


def micros_of(moment: datetime) -> int:
    """Return an aware time as the ledger keeps moments."""
    return (moment - _EPOCH) // _MICROSECOND


def utc(micros: int) -> datetime:
    """Return a moment as an aware time."""
    return _EPOCH + micros * _MICROSECOND
