"""How long a reply asks to wait: Retry-After in all its forms, or its text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from batchgen.model import Json, Reply
from batchgen.providers._decoding import fields, number, objects, text_of

MAX_WAIT_S = 3600.0
"""A longer wait is shortened to this [assumed]: no rate limit needs a day, and a wrong
number must not stop a run for years."""

_MIN_UNIX_TIME = 1_000_000_000  # as seconds: the year 2001; no wait is 30 years long
_MIN_UNIX_TIME_MS = 1_000_000_000_000
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNIT = (
    r"(ms|millis(?:econds?)?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)(?![a-z])"
)
_STEP = re.compile(rf"(\d{{1,9}}(?:\.\d{{1,9}})?)\s*{_UNIT}", re.IGNORECASE)
_DURATION = re.compile(rf"(?:{_STEP.pattern}[\s,]*)+", re.IGNORECASE)
_RETRY_PHRASE = re.compile(
    rf"\b(?:re)?try(?:ing)?(?:[ ]again)?[ ](?:in|after)[ ](?:about[ ])?"
    rf"((?:{_STEP.pattern}[\s,]*)+)",
    re.IGNORECASE,
)
_RETRY_DELAY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")
_WAIT_KEYS = {
    **dict.fromkeys(("retry_after", "retryAfter", "retry_after_seconds"), 1.0),
    **dict.fromkeys(("retry_after_ms", "retryAfterMs"), 0.001),
}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return Retry-After, or retry-after-ms, in seconds; None if absent or unreadable.

    It may be a number, a number with a unit, a date, or a Unix time. A point in time is
    compared with the reply's own Date, so a wrong clock here does no harm. Never
    negative, and never longer than `MAX_WAIT_S`.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    seconds = _number(value)
    if seconds is None:
        seconds = _duration_s(value)
    if seconds is not None and seconds < _MIN_UNIX_TIME:
        return _bounded(seconds)
    until = _moment(value) if seconds is None else _unix_time(seconds)
    if until is None:
        return None if seconds is None else MAX_WAIT_S
    sent_at = _moment(headers.get("date", "")) or datetime.now(UTC)
    return _bounded((until - sent_at).total_seconds())


def requested_wait_s(reply: Reply) -> float | None:
    """Return the seconds that a reply asks to wait, in its headers or its body."""
    waits = (retry_after_s(reply.headers), _wait_in(reply.body))
    return max((wait for wait in waits if wait is not None), default=None)


def _wait_in(body: Json) -> float | None:
    error = fields(fields(body).get("error"))
    for holder in (error, fields(body)):
        for detail in objects(holder.get("details")):
            # google.rpc.RetryInfo: a duration such as "22s".
            delay = _RETRY_DELAY.fullmatch(text_of(detail.get("retryDelay")))
            if delay:
                return _bounded(float(delay[1]))
        for key, factor in _WAIT_KEYS.items():
            if (wait := number(holder.get(key))) is not None and wait < _MIN_UNIX_TIME:
                return _bounded(float(wait) * factor)
    text = text_of(error.get("message") or fields(body).get("message") or body)
    match = _RETRY_PHRASE.search(text)
    return None if match is None else _bounded(_duration_s(match[1].strip(" ,")))


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(0.0, seconds), MAX_WAIT_S)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _duration_s(text: str) -> float | None:
    """Read `30s`, `2 min`, `1500ms` or `1m30s`."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(amount) * _factor(unit) for amount, unit in _STEP.findall(text))


def _factor(unit: str) -> float:
    is_ms = unit.lower() == "ms" or unit.lower().startswith("milli")
    return _UNITS_S["ms" if is_ms else unit[0].lower()]


def _unix_time(value: float) -> datetime | None:
    seconds = value / 1000 if value >= _MIN_UNIX_TIME_MS else value
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _moment(value: str) -> datetime | None:
    """Read a date as HTTP writes it, or ISO 8601 [assumed]."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value)
        except (TypeError, ValueError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
