"""Moments as the ledger keeps them: whole microseconds UTC since 1970."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


def now_micros() -> int:
    """Return the current time."""
    return time.time_ns() // 1000


def utc(micros: int) -> datetime:
    """Return a moment as a timezone-aware datetime."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
