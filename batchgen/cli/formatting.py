"""Rows, money, numbers and causes as text, shared by the commands."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.addresses.characters import visible_line
from batchgen.cli.table_places import FileOf
from batchgen.ledger import Totals
from batchgen.manifest.wording import shown
from batchgen.model import Status, dollars
from batchgen.providers._decoding import one_line
from batchgen.runner.message_parts import MessageParts
from batchgen.runner.row_causes import Cause, Example

if TYPE_CHECKING:
    from batchgen.checks.findings import Problem

NO_MONEY = "rehearsal: no money was spent"
"""Shown together with a rehearsal's money."""


def money_lines(totals: Totals, *, is_running: bool = False) -> list[str]:
    """Return the folder's money as lines; a rehearsal's is marked as pretend.

    Args:
        totals: Of the folder.
        is_running: Whether a run works on it, so that answers are still to come.
    """
    spent, superseded = dollars(totals.spent), dollars(totals.superseded)
    lines = [f"spent {spent}"]
    if totals.rehearsed:
        lines = [f"pretend cost {spent} ({NO_MONEY})"]
    if totals.unpriced:
        purchases = counted(totals.unpriced, "purchase")
        lines.append(
            f"{purchases} without a known price: the cost is null in the table (give "
            "one with --price)"
        )
    if totals.superseded:
        paid = "pretend cost of" if totals.rehearsed else "paid earlier for"
        lines.append(f"{paid} rows that you changed or removed: {superseded}")
    if totals.unknown_attempts or totals.unknown_at_risk:
        lines.append(_risk_line(totals, is_running=is_running))
    return [*lines, *_task_lines(totals, is_running=is_running)]


def _risk_line(totals: Totals, *, is_running: bool) -> str:
    """Return how much more may have been charged, and why that is unknown."""
    return may_have_been_charged(
        dollars(totals.unknown_at_risk, pretend=totals.rehearsed),
        totals.unknown_attempts,
        unpriced=totals.unpriced_risk - totals.unpriced_tasks,
        is_open=is_running,
    )


def may_have_been_charged(
    amount: str, requests: int, *, unpriced: int = 0, is_open: bool = False
) -> str:
    """Return how much more may have been charged, and why that is unknown.

    Args:
        amount: At most so much, as it is shown.
        requests: Requests whose outcome nobody knows; 0 where all were answered and
            no reply states its price.
        unpriced: Those of them that have no known price.
        is_open: Whether answers to some of them may still come.
    """
    more = f"up to {amount} more"
    if unpriced:
        more += f", and {counted(unpriced, 'request')} without a known price,"
    reason = "no reply states what the images cost"
    if requests and is_open:
        reason = f"{counted(requests, 'request', 'has')} no final answer yet"
    elif requests:
        reason = f"{counted(requests, 'request')} got no answer that tells"
    return f"{more} may have been charged: {reason}"


def _task_lines(totals: Totals, *, is_running: bool) -> list[str]:
    """Return lines about purchases at risk that a later run polls, not buys."""
    lines = []
    if totals.accepted:
        line = still_being_made(totals.accepted)
        lines.append(line.partition(";")[0] if is_running else line)
    if totals.overdue:
        tasks = counted(totals.overdue, "accepted task", "has")
        them = either(totals.overdue, "it", "them")
        lines.append(f"{tasks} not come; each run asks for {them} again")
    if lines:
        price = dollars(totals.tasks_at_risk, pretend=totals.rehearsed)
        if totals.unpriced_tasks:
            price += f" and {totals.unpriced_tasks} without a price"
        lines[-1] += f" (up to {price} for {'both' if len(lines) > 1 else 'that'})"
    return lines


def still_being_made(tasks: int) -> str:
    """Say that accepted tasks are not lost."""
    if tasks == 1:
        return "1 accepted task is still being made; the next run fetches it"
    return f"{tasks} accepted tasks are still being made; the next run fetches them"


def rows_line(totals: Totals) -> str:
    """Return the number of rows of each status."""
    count = sum(totals.rows.values())
    parts = [
        f"{totals.rows[value]} {value}" for value in Status if totals.rows.get(value)
    ]
    return f"{counted(count, 'row')}: {', '.join(parts) or 'none'}"


def counted_rows(rows: int) -> str:
    """Return a number of rows, with separators of thousands."""
    return f"{rows:,} {either(rows, 'row', 'rows')}"


_PLURALS = {"is": "are", "has": "have", "costs": "cost"}


def counted(count: int, noun: str, verb: str = "") -> str:
    """Return a number with its noun, and maybe its verb, in singular or plural."""
    words = [str(count), noun if count == 1 else f"{noun}s"]
    if verb:
        words.append(verb if count == 1 else _PLURALS[verb])
    return " ".join(words)


def either(count: int, one: str, many: str) -> str:
    """Return the word for one thing, or the word for several."""
    return one if count == 1 else many


CAUSES_SHOWN = 10
MAX_CHARACTERS = 500


def problem_lines(
    file: FileOf, problems: Sequence[Problem], count: int | None = None
) -> list[str]:
    """Return a line for each row with a problem.

    Args:
        file: Names the file of a row.
        problems: The first of these rows, or all of them.
        count: How many there are; None for as many as stand here.
    """
    lines = [
        _problem(f"{file(each.row)}, ", each.row, each.line, each.column, each.message)
        for each in problems
    ]
    hidden = (count or 0) - len(problems)
    return [*lines, f"  and {hidden} more"] if hidden > 0 else lines


def _problem(
    place: str, row: int, line: int | None, column: str | None, message: str
) -> str:
    in_line = "" if line is None else f", line {line}"
    in_column = f", column `{visible_line(column)}`" if column else ""
    return f"  {place}row {row}{in_line}{in_column}: {visible_line(message)}"


def cause_lines(causes: Sequence[Cause], file: FileOf | None = None) -> list[str]:
    """Return a line for each cause with advice, the most common first.

    Args:
        causes: All of them; what is not shown is counted.
        file: Names the file of a row, where rows are to be mended.
    """
    invalid = [cause for cause in causes if cause.status is Status.INVALID]
    others = [cause for cause in causes if cause.status is not Status.INVALID]
    lines = invalid_lines(invalid, file)
    lines += [_line(cause) for cause in others[:CAUSES_SHOWN]]
    return [*lines, *_hidden(others, "")]


def invalid_lines(causes: Sequence[Cause], file: FileOf | None = None) -> list[str]:
    """Return why rows are invalid: each cause with its first row, then the others."""
    if not causes:
        return []
    count = sum(cause.rows for cause in causes)
    lines = [f"{counted(count, 'row')} cannot run:"]
    for cause in causes[:CAUSES_SHOWN]:
        place = f"{file(cause.examples[0].row)}, " if file else ""
        lines += _invalid(cause, place)
    return [*lines, *_hidden(causes, "  ")]


def retry_line(folder: Path, causes: Sequence[Cause]) -> str | None:
    """Return the retry command; None if no row can succeed by it."""
    rows = Counter[Status]()
    for cause in causes:
        if cause.retry_helps:
            rows[cause.status] += cause.rows
    if not rows:
        return None
    counts = " and ".join(f"{count} {status}" for status, count in rows.items())
    noun = either(rows.total(), "row", "rows")
    return f"to try {counts} {noun} again:\n  {retry_command(folder)}"


def retry_command(folder: Path) -> str:
    """Return the command that marks rows to be tried again."""
    return shlex.join(["batchgen", "retry", shown(folder)])


def _invalid(cause: Cause, place: str) -> Iterator[str]:
    first, *others = cause.examples
    message = _cut(cause.message)
    yield _problem(place, first.row, first.line, cause.column, message)
    if others:
        yield f"    and for the same reason {_which(others, cause.rows - 1)}"


def _line(cause: Cause) -> str:
    provider = f"{cause.provider} " if cause.provider else ""
    reason = quoted(cause.message_parts) or f"({cause.error or 'many reasons'})"
    rows = _which(cause.examples, cause.rows)
    return f"{cause.rows} {cause.status}: {provider}{reason} ({rows}). {cause.advice}"


def quoted(message: MessageParts) -> str:
    """Return a message with quotation marks around the provider's own text."""
    quote = f'"{_cut(message.quote)}"' if message.quote else ""
    return f"{message.before}{quote}{message.after}"


def _cut(text: str | None) -> str:
    """Return a text of unknown origin as one line of limited length."""
    line = one_line(text or "", MAX_CHARACTERS + 1)
    return line if len(line) <= MAX_CHARACTERS else f"{line[:MAX_CHARACTERS]}..."


def _which(examples: Sequence[Example], count: int) -> str:
    """Return the first rows, and their lines if the manifest has lines."""
    dots = "" if count == len(examples) else ", ..."
    rows = ", ".join(str(example.row) for example in examples) + dots
    lines = (
        ", ".join(str(example.line) for example in examples if example.line is not None)
        + dots
    )
    if count == 1:
        return f"row {rows}" + (f", line {lines}" if lines else "")
    has_lines = examples[0].line is not None
    return f"{count} rows: {rows}" + (f"; lines {lines}" if has_lines else "")


def _hidden(causes: Sequence[Cause], indent: str) -> list[str]:
    """Return how many rows have causes that are not shown."""
    count = sum(cause.rows for cause in causes[CAUSES_SHOWN:])
    if not count:
        return []
    rows = counted(count, "row")
    return [f"{indent}and {rows} for other reasons: see `message` in the table"]
