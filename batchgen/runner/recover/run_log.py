"""Read from `run.log` the purchases that were made after the tables were written.

Anybody may have edited the file: a line that does not fit is skipped.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from batchgen.errors import Again, Charge
from batchgen.model import State, micros_of

E = TypeVar("E", bound=StrEnum)

_LINE = re.compile(r"(\S{1,40}Z) (?:info|warning|error) +(\w{1,40})(?: (.*))?")
_FIELD = re.compile(
    r""" *(\w+)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s'"]\S*|)(?= |$)"""
)
_MAX_LINE = 1 << 20
"""How much of a line is read: batchgen writes no longer ones [assumed]."""
MAX_ID = 10**12
"""The ids of purchases are smaller. An edited file may contain any number, and the next
purchases must get larger ones [assumed]."""
_ENDS = (State.REJECTED, State.FAILED, State.UNKNOWN, State.OVERDUE)


@dataclass(slots=True)
class LoggedAttempt:
    """One attempt in the log.

    Attributes:
        sent_fields: The fields of its event `sent`, by name.
        delivered_fields: The fields of its event `delivered`; None without one.
        ended_fields: The fields of its event `attempt_ended`; None without one.
    """

    attempt_id: int
    sent_at: int
    sent_fields: Mapping[str, str]
    task_id: str | None = None
    request_id: str | None = None
    accepted_at: int | None = None
    delivered_fields: Mapping[str, str] | None = None
    ended_fields: Mapping[str, str] | None = None
    ended_at: int | None = None
    is_stored: bool = False

    @property
    def state(self) -> State:
        """The state after its last event."""
        if self.is_stored:
            return State.STORED
        if self.ended_fields is not None:
            return _state_of(self.ended_fields)
        if self.delivered_fields is not None:
            return State.DELIVERED
        return State.SENT if self.task_id is None else State.ACCEPTED


@dataclass(slots=True)
class Events:
    """The log of a run folder.

    Attributes:
        attempts: By their ids.
        source: The manifest or job file of the last run; None if the log names none.
        command: The command of the last run, as it was typed; None if unknown. The
            command of a refused run counts only if there is no other.
        urls: The last base URL of each provider.
        exists: Whether there is a log.
        ended_ids: Ids of attempts that are left out of `attempts`.
        ids: Ids of the attempts of one ledger; with a new ledger they begin anew.
        typed: The last command in the log, until an event shows that it ran.
    """

    attempts: dict[int, LoggedAttempt] = field(default_factory=dict)
    source: str | None = None
    command: str | None = None
    urls: dict[str, str] = field(default_factory=dict)
    exists: bool = False
    ended_ids: Container[int] = ()
    ids: set[int] = field(default_factory=set)
    typed: str | None = None


def read_events(path: Path, ended_ids: Container[int] = ()) -> Events:
    """Read the log; without one there are no events.

    Args:
        path: The log.
        ended_ids: Ids of attempts that are left out, since a table has their end.
    """
    events = Events(ended_ids=ended_ids)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            while line := file.readline(_MAX_LINE):
                if (match := _LINE.fullmatch(line.rstrip("\n"))) is not None:
                    _record_event(events, match)
    except OSError:
        return events
    events.exists = True
    return events


def _record_event(events: Events, match: re.Match[str]) -> None:
    name = match[2]
    try:
        at = micros_of(datetime.fromisoformat(match[1]))
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
        _record_sent(events, LoggedAttempt(attempt_id, at, fields))
    elif (attempt := events.attempts.get(attempt_id)) is not None:
        _record_step(attempt, name, at, fields)


def _record_sent(events: Events, attempt: LoggedAttempt) -> None:
    if attempt.attempt_id in events.ids:
        # Here begins a run with another ledger.
        events.attempts.clear()
        events.ids.clear()
    events.ids.add(attempt.attempt_id)
    if attempt.attempt_id not in events.ended_ids:
        events.attempts[attempt.attempt_id] = attempt
    fields = attempt.sent_fields
    if (url := fields.get("url")) and (name := fields.get("provider")):
        events.urls[name] = url


def _record_step(
    attempt: LoggedAttempt, name: str, at: int, fields: Mapping[str, str]
) -> None:
    if name == "accepted":
        attempt.task_id, attempt.accepted_at = fields.get("task"), at
        attempt.request_id = fields.get("request", attempt.task_id)
        attempt.ended_fields = None
    elif name == "delivered":
        attempt.delivered_fields = fields
        attempt.ended_fields = None
    elif name == "stored":
        attempt.is_stored, attempt.ended_at = True, at
    elif name == "attempt_ended":
        attempt.ended_fields, attempt.ended_at = fields, at


def _fields(text: str) -> dict[str, str]:
    """Read fields up to the first text that is none, so that bad lines cost little."""
    fields, end = {}, 0
    while (match := _FIELD.match(text, end)) is not None:
        name, value = match.groups()
        if value[:1] in ("'", '"'):
            value = str(ast.literal_eval(value))
        # An escape can denote half of a surrogate pair, which SQLite does not store.
        fields[name] = value.encode("utf-8", "replace").decode()
        end = match.end()
    return fields


def number_in(fields: Mapping[str, str], name: str) -> int | None:
    """Return a field as a whole number; None if it is none."""
    text = fields.get(name, "")
    is_number = text.isascii() and text.isdecimal() and len(text) < 19
    return int(text) if is_number else None


def charge_in(fields: Mapping[str, str]) -> Charge:
    """Return the kind of charge in the fields."""
    return _member_in(fields, "charge", Charge.UNKNOWN)


def again_in(fields: Mapping[str, str]) -> Again:
    """Return whether the attempt was to be repeated."""
    return _member_in(fields, "again", Again.LATER)


def _state_of(fields: Mapping[str, str]) -> State:
    # An older batchgen did not log the state.
    is_unknown = charge_in(fields) is Charge.UNKNOWN
    default = State.UNKNOWN if is_unknown else State.FAILED
    state = _member_in(fields, "state", default)
    return state if state in _ENDS else State.UNKNOWN


def _member_in(fields: Mapping[str, str], name: str, default: E) -> E:
    """Return a field as a member of the enumeration of its default."""
    try:
        return type(default)(fields.get(name, ""))
    except ValueError:
        return default
