"""Read the result table's rows out of the ledger, slice by slice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from batchgen.ledger.attempt_money import MONEY_FIELDS, money_of, usd_of
from batchgen.ledger.reader import Reader
from batchgen.ledger.request_json import prompt_of
from batchgen.ledger.waiting import waiting_messages
from batchgen.model import FileRecord, ResultRow, State, Status, utc

Slice = tuple[list[ResultRow], bytes | None]


class _Row(NamedTuple):
    """The columns of a line of `result_lines` that are about its row."""

    position: int
    line: int | None
    id: str | int
    request: str | None
    provider: str | None
    model: str | None
    estimate: int | None
    at_column: str | None
    problem: str | None
    warning: str | None
    status: str | None
    error: str | None
    message: str | None
    own_status: str | None
    shared_with: str | int | None


class _Attempt(NamedTuple):
    """The columns of the same line that are about an attempt."""

    attempt_id: int
    state: str
    charge: str | None
    cost: int | None
    uncertain: int
    ceiling: int | None
    counts: int
    provider: str
    model: str
    aspect_ratio: str | None
    resolution: str | None
    request_id: str | None
    warning: str | None
    sent_at: int
    ended_at: int | None
    latency_s: float | None


_Line = tuple[Any, ...]
"""A row, an attempt at it (or nulls) and an image of that (or nulls)."""

_POSITION = itemgetter(0)
_ATTEMPT = len(_Row._fields)
_IMAGE = _ATTEMPT + len(_Attempt._fields)

_STATUSES = {status.value: status for status in Status}


def result_slices(
    ledger: Reader, archive: str, end: int | None = None
) -> Iterator[Slice]:
    """Yield all rows of the manifest in order, with its own columns as Arrow IPC.

    Args:
        ledger: The ledger; it may be written meanwhile.
        archive: File name of the archive, as the table's `files` name it.
        end: Position at which to end, between two slices; None for all rows.
    """
    generation = ledger.generation
    slices = ledger.execute("result_slices", (generation,)).fetchall()
    if not slices:
        return  # the manifest could not be read up to its first rows
    total = ledger.number("planned_count", (generation,))
    ends = [part["first"] for part in slices[1:]] + [total]
    for part, slice_end in zip(slices, ends, strict=True):
        if end is not None and part["first"] >= end:
            return
        yield result_rows(ledger, archive, part["first"], slice_end), part["ipc"]


def end_behind_purchases(ledger: Reader, min_rows: int) -> int | None:
    """Return the end of the slice that has the last bought row, and enough rows.

    None if that is the last slice.
    """
    last = ledger.number("plan_last_tried", (ledger.generation,))
    values = (ledger.generation, max(min_rows, last + 1))
    end: int | None = ledger.execute("columns_first_from", values).fetchone()[0]
    return end


def has_shared_rows(ledger: Reader) -> bool:
    """Say whether rows of the manifest have the images of others."""
    return ledger.has_any("plan_is_shared", (ledger.generation,))


def result_rows(ledger: Reader, archive: str, start: int, end: int) -> list[ResultRow]:
    """Return the rows of the manifest from one position to before another."""
    lines = ledger.stream("result_lines", (ledger.generation, start, end))
    waiting = waiting_messages(ledger, start, end)
    rows = [
        _result(
            _Row._make(lines[0][:_ATTEMPT]), _attempts(lines), _files(lines, archive)
        )
        for lines in (list(of_row) for _, of_row in groupby(lines, _POSITION))
    ]
    for row in rows if waiting else ():
        row.message = row.message or waiting.get(row.row)
    return rows


def _attempts(lines: list[_Line]) -> list[_Attempt]:
    """Return the attempts at a row, oldest first."""
    if lines[0][_ATTEMPT] is None:
        return []
    by_id = {line[_ATTEMPT]: _Attempt._make(line[_ATTEMPT:_IMAGE]) for line in lines}
    return [by_id[attempt_id] for attempt_id in sorted(by_id)]


def _files(lines: list[_Line], archive: str) -> tuple[FileRecord, ...]:
    """Return the images of a row in their order.

    Of an image that was bought twice, only the first stored one counts.
    """
    stored = [line for line in lines if line[_IMAGE] is not None]
    if len(stored) > 1:
        stored.sort(key=itemgetter(_ATTEMPT), reverse=True)
        oldest = {line[_IMAGE]: line for line in stored}
        stored = [oldest[image] for image in sorted(oldest)]
    return tuple(
        [
            FileRecord(name, archive, image, *facts)
            for image, name, *facts in [line[_IMAGE:] for line in stored]
        ]
    )


def _result(
    row: _Row, attempts: Sequence[_Attempt], files: tuple[FileRecord, ...]
) -> ResultRow:
    status, error, message = _status_of(row)
    last = _decisive_attempt(attempts)
    own = last
    request = json.loads(row.request) if row.request and last is None else {}
    if row.shared_with is not None:
        attempts, own = (), None  # another row's purchase is counted there
    money = money_of(tuple([attempt[MONEY_FIELDS] for attempt in attempts]))
    return ResultRow(
        row=row.position,
        id=str(row.id),
        status=status,
        prompt=prompt_of(row.request) if row.request else None,
        provider=last.provider if last else row.provider,
        model=last.model if last else row.model,
        aspect_ratio=last.aspect_ratio if last else request.get("aspect_ratio"),
        resolution=last.resolution if last else request.get("resolution"),
        files=files,
        attempts=money.attempts,
        cost_usd=money.cost_usd,
        cost_basis=money.cost_basis,
        at_risk_usd=money.at_risk_usd,
        at_risk_attempts=money.at_risk_attempts,
        estimated_usd=usd_of(row.estimate if row.shared_with is None else 0),
        error=error,
        message=message,
        warning=_warnings(row, attempts),
        request_id=own.request_id if own else None,
        started_at=_started(attempts),
        finished_at=_finished(status, attempts),
        latency_s=own.latency_s if own and status is Status.SUCCEEDED else None,
        shared_with=None if row.shared_with is None else str(row.shared_with),
    )


def _status_of(row: _Row) -> tuple[Status, str | None, str | None]:
    if row.problem is not None and row.own_status != Status.SUCCEEDED:
        column = f"{row.at_column}: " if row.at_column else ""
        line = f"line {row.line}, " if row.line is not None else ""
        where = f"row {row.position}, {line}{column}"
        return Status.INVALID, "invalid", f"{where}{row.problem}"
    return _STATUSES[row.status or ""], row.error, row.message


def _decisive_attempt(attempts: Sequence[_Attempt]) -> _Attempt | None:
    """Return the last attempt that brought images; without one, the last of all."""
    if len(attempts) < 2:
        return attempts[0] if attempts else None
    stored = [attempt for attempt in attempts if attempt.state == State.STORED]
    return (stored or attempts)[-1]


def _warnings(row: _Row, attempts: Sequence[_Attempt]) -> str | None:
    """Return how images differ from their request."""
    left_out = row.warning if row.own_status == Status.SUCCEEDED else None
    if left_out is None and len(attempts) == 1:
        return attempts[0].warning or None
    candidates = [left_out, *[attempt.warning for attempt in attempts]]
    warnings = [warning for warning in candidates if warning]
    return "; ".join(dict.fromkeys(warnings)) if warnings else None


def _started(attempts: Sequence[_Attempt]) -> datetime | None:
    if len(attempts) == 1:
        return utc(attempts[0].sent_at)
    return moment_of(min([attempt.sent_at for attempt in attempts], default=None))


def _finished(status: Status, attempts: Sequence[_Attempt]) -> datetime | None:
    if status is Status.PENDING:
        return None
    if len(attempts) == 1:
        return moment_of(attempts[0].ended_at)
    ends = [attempt.ended_at for attempt in attempts if attempt.ended_at is not None]
    return moment_of(max(ends, default=None))


def moment_of(micros: int | None) -> datetime | None:
    """Return a moment; None if there is none."""
    return None if micros is None else utc(micros)
