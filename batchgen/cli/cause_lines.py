"""Why rows did not succeed, in the lines that several commands share."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.addresses.characters import visible_line
from batchgen.cli.formatting import counted
from batchgen.manifest.wording import shown
from batchgen.model import Status
from batchgen.providers._decoding import one_line
from batchgen.runner.message_parts import MessageParts
from batchgen.runner.row_causes import Cause, Example

if TYPE_CHECKING:
    from batchgen.checks.findings import Problem

CAUSES_SHOWN = 10
MAX_CHARACTERS = 500


def problem_lines(
    file: str, problems: Sequence[Problem], count: int | None = None
) -> list[str]:
    """Return a line for each row about which there is something to say.

    Args:
        file: The manifest.
        problems: The first of these rows, or all of them.
        count: How many there are; None for as many as stand here.
    """
    place = f"{file}, "
    lines = [
        _problem(place, each.row, each.line, each.column, each.message)
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


def cause_lines(causes: Sequence[Cause], file: str | None = None) -> list[str]:
    """Return a line for each cause, the commonest first, and what can be done about it.

    Args:
        causes: All of them; what is not shown is counted.
        file: The manifest, to be named where rows are to be mended.
    """
    invalid = [cause for cause in causes if cause.status is Status.INVALID]
    others = [cause for cause in causes if cause.status is not Status.INVALID]
    lines = invalid_lines(invalid, file)
    lines += [_line(cause) for cause in others[:CAUSES_SHOWN]]
    return [*lines, *_hidden(others, "")]


def invalid_lines(causes: Sequence[Cause], file: str | None = None) -> list[str]:
    """Return why rows are invalid: each cause with its first row, then the others."""
    if not causes:
        return []
    count = sum(cause.rows for cause in causes)
    lines = [f"{counted(count, 'row')} cannot run:"]
    for cause in causes[:CAUSES_SHOWN]:
        lines += _invalid(cause, f"{file}, " if file else "")
    return [*lines, *_hidden(causes, "  ")]


def retry_line(folder: Path, causes: Sequence[Cause]) -> str | None:
    """Return the command that tries again what that can help; None if it helps none."""
    rows = Counter[Status]()
    for cause in causes:
        if cause.retry_helps:
            rows[cause.status] += cause.rows
    if not rows:
        return None
    which = " and ".join(f"{count} {status}" for status, count in rows.items())
    noun = "row" if rows.total() == 1 else "rows"
    command = shlex.join(["batchgen", "retry", shown(folder)])
    return f"to try {which} {noun} again:\n  {command}"


def _invalid(cause: Cause, place: str) -> Iterator[str]:
    first, *others = cause.examples
    message = _cut(cause.message)
    yield _problem(place, first.row, first.line, cause.column, message)
    if others:
        yield f"    and for the same reason {_which(others, cause.rows - 1)}"


def _line(cause: Cause) -> str:
    provider = f"{cause.provider} " if cause.provider else ""
    reason = quoted(cause.message_parts) or f"({cause.error or 'many reasons'})"
    which = _which(cause.examples, cause.rows)
    return f"{cause.rows} {cause.status}: {provider}{reason} ({which}). {cause.advice}"


def quoted(parts: MessageParts) -> str:
    """Return a message in which the provider's words alone are in quotation marks."""
    quote = f'"{_cut(parts.quote)}"' if parts.quote else ""
    return f"{parts.before}{quote}{parts.after}"


def _cut(text: str | None) -> str:
    """Return a text that anybody may have written as one line of a bearable length."""
    line = one_line(text or "", MAX_CHARACTERS + 1)
    return line if len(line) <= MAX_CHARACTERS else f"{line[:MAX_CHARACTERS]}..."


def _which(examples: Sequence[Example], count: int) -> str:
    """Return the first of some rows; where the manifest has lines, these, too."""
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
