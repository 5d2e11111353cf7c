"""Read from `run.log` which purchases were made after the tables were written.

Anybody may have edited the file: a line that does not fit is skipped.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from batchgen.errors import Again, Charge
from batchgen.model import State

_LINE = re.compile(r"(\S{1,40}Z) (?:info|warning|error) +(\w{1,40})(?: (.*))?")
_FIELD = re.compile(
    r""" *(\w+)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s'"]\S*|)(?= |$)"""
)
_MAX_LINE = 1 << 20
"""How much of a line is read: batchgen writes no longer lines [assumed]."""
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MAX_ID = 10**12
"""The numbers of purchases are smaller. In a changed file any number may stand, and the
next purchases must get larger numbers [assumed]."""


@dataclass(slots=True)
class LoggedAttempt:
    """One attempt as the log has it: the fields of its events, by their names.

    Attributes:
        ended: The fields of the event that ended it; None while none did.
        delivered: The fields of the event that names the charge; None without one.
    """

    attempt_id: int
    sent_at: int
    sent: Mapping[str, str]
    task_id: str | None = None
    request_id: str | None = None
    accepted_at: int | None = None
    delivered: Mapping[str, str] | None = None
    delivered_at: int | None = None
    ended: Mapping[str, str] | None = None
    ended_at: int | None = None
    is_stored: bool = False

    @property
    def state(self) -> State:
        """How far it came."""
        if self.is_stored:
            return State.STORED
        if self.ended is not None:
            return _state_of(self.ended)
        if self.delivered is not None:
            return State.DELIVERED
        return State.SENT if self.task_id is None else State.ACCEPTED


@dataclass(slots=True)
class Events:
    """The log of a run folder.

    Attributes:
        attempts: By their numbers.
        source: The manifest or job file of the last run; None where none is named.
        command: Of the last run, as it was typed; None if unknown. One that was refused
            counts only where there is no other.
        urls: Where each provider was asked last.
        probe_provider: Whether there is a log.
        ended: Attempts that need not be in `attempts`.
        numbers: Attempts of the last run folder that had this log: numbers begin anew
            with a new ledger.
        typed: The command that was read last, until the log shows that it ran.
    """

    attempts: dict[int, LoggedAttempt] = field(default_factory=dict)
    source: str | None = None
    command: str | None = None
    urls: dict[str, str] = field(default_factory=dict)
    probe_provider: bool = False
    ended: Container[int] = ()
    numbers: set[int] = field(default_factory=set)
    typed: str | None = None


def read_events(path: Path, ended: Container[int] = ()) -> Events:
    """Read the log; without one there are no events.

    Args:
        path: The log.
        ended: Attempts that need not be remembered, for a table has their end.
    """
    events = Events(ended=ended)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            while line := file.readline(_MAX_LINE):
                if (match := _LINE.fullmatch(line.rstrip("\n"))) is not None:
                    _take(events, match)
    except OSError:
        return events
    events.probe_provider = True
    return events


def _take(events: Events, match: re.Match[str]) -> None:
    name = match[2]
    try:
        at = _micros(match[1])
        fields = _fields(match[3] or "")
    except (ValueError, SyntaxError, OverflowError):
        return
    if name == "started":
        events.source = fields.get("source") or events.source
        return
    if name == "command":
        events.typed = fields.get("words")
        events.command = events.command or events.typed
        return
    # A run that was refused, for example without consent, logs only these two events.
    events.command, events.typed = events.typed or events.command, None
    attempt_id = number_in(fields, "attempt")
    if attempt_id is None or not 0 < attempt_id < MAX_ID:
        return
    if name == "sent":
        _take_sent(events, LoggedAttempt(attempt_id, at, fields))
    elif (attempt := events.attempts.get(attempt_id)) is not None:
        _take_step(attempt, name, at, fields)


def _take_sent(events: Events, attempt: LoggedAttempt) -> None:
    if attempt.attempt_id in events.numbers:
        # Another run began here, with a ledger of its own.
        events.attempts.clear()
        events.numbers.clear()
    events.numbers.add(attempt.attempt_id)
    if attempt.attempt_id not in events.ended:
        events.attempts[attempt.attempt_id] = attempt
    if (url := attempt.sent.get("url")) and (name := attempt.sent.get("provider")):
        events.urls[name] = url


def _take_step(
    attempt: LoggedAttempt, name: str, at: int, fields: Mapping[str, str]
) -> None:
    if name == "accepted":
        attempt.task_id, attempt.accepted_at = fields.get("task"), at
        attempt.request_id = fields.get("request", attempt.task_id)
        attempt.ended = None
    elif name == "delivered":
        attempt.delivered, attempt.delivered_at = fields, at
        attempt.ended = None
    elif name == "stored":
        attempt.is_stored, attempt.ended_at = True, at
    elif name == "attempt_ended":
        attempt.ended, attempt.ended_at = fields, at


def _fields(text: str) -> dict[str, str]:
    """Read fields up to the first text that is no field: so bad lines cost little."""
    fields, end = {}, 0
    while (match := _FIELD.match(text, end)) is not None:
        name, value = match.groups()
        if value[:1] in ("'", '"'):
            value = str(ast.literal_eval(value))
        # SQLite stores no half characters, which an escape can spell.
        fields[name] = value.encode("utf-8", "replace").decode()
        end = match.end()
    return fields


def _micros(stamp: str) -> int:
    since = datetime.fromisoformat(stamp) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def number_in(fields: Mapping[str, str], name: str) -> int | None:
    """Return a field that is a whole number; None if it is none."""
    text = fields.get(name, "")
    is_number = text.isascii() and text.isdecimal() and len(text) < 19
    return int(text) if is_number else None


def charge_in(fields: Mapping[str, str]) -> Charge:
    """Return what kind of charge a field tells."""
    try:
        return Charge(fields.get("charge", ""))
    except ValueError:
        return Charge.UNKNOWN


def again_in(fields: Mapping[str, str]) -> Again:
    """Return whether it was to be bought again."""
    try:
        return Again(fields.get("again", ""))
    except ValueError:
        return Again.LATER


def _state_of(ended: Mapping[str, str]) -> State:
    try:
        state = State(ended.get("state", ""))
    except ValueError:
        # Written by a batchgen that did not say it.
        unknown = charge_in(ended) is Charge.UNKNOWN
        return State.UNKNOWN if unknown else State.FAILED
    return state if state in _ENDS else State.UNKNOWN


_ENDS = (State.REJECTED, State.FAILED, State.UNKNOWN, State.OVERDUE)
