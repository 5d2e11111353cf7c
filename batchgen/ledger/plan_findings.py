"""Problems, warnings, changed names and causes of failure of the plan's rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from batchgen.ledger.reader import Reader
from batchgen.ledger.request_json import prompt_of
from batchgen.model import Status


class PlanProblem(NamedTuple):
    """A problem of a row, or a part of its request that will not be done."""

    position: int
    line: int | None
    column: str | None
    message: str


class RenamedRow(NamedTuple):
    """A row that got another name, because its own is the name of another row."""

    position: int
    line: int | None
    base_name: str


class RowWithPrompt(NamedTuple):
    """A row that can run, and its prompt as it is sent."""

    position: int
    line: int | None
    prompt: str


class RowWithoutSuccess(NamedTuple):
    """A row that is invalid, failed, refused or held, and why.

    Attributes:
        row_id: Of its purchases; None without any.
        column: The column with the problem.
    """

    position: int
    line: int | None
    row_id: int | None
    status: Status
    provider: str | None
    error: str | None
    message: str | None
    column: str | None


def problems(ledger: Reader, max_rows: int) -> list[PlanProblem]:
    """Return the first rows that cannot run."""
    return _problems(ledger, "problems", max_rows)


def warnings(ledger: Reader, max_rows: int) -> list[PlanProblem]:
    """Return the first rows that can run, but without a part of their request."""
    return _problems(ledger, "warnings", max_rows)


def _problems(ledger: Reader, name: str, max_rows: int) -> list[PlanProblem]:
    rows = ledger.execute(name, (ledger.generation, max_rows))
    return [PlanProblem._make(row) for row in rows]


def count_warnings(ledger: Reader, end: int) -> int:
    """Count the rows with a warning before a position."""
    return ledger.number("warnings_count", ledger.before(end))


def renamed_rows(ledger: Reader, max_rows: int) -> list[RenamedRow]:
    """Return the first rows that got a name other than their own."""
    rows = ledger.execute("renamed", (ledger.generation, max_rows))
    return [RenamedRow._make(row) for row in rows]


def count_runnable(ledger: Reader, end: int) -> int:
    """Count the rows before a position that can run."""
    return ledger.number("rows_that_can_run", ledger.before(end))


def runnable_row(ledger: Reader, end: int, above: int) -> RowWithPrompt:
    """Return the row that can run and comes after `above` other such rows."""
    values = {**ledger.before(end), "above": above}
    position, line, request = ledger.execute("row_that_can_run", values).fetchone()
    return RowWithPrompt(position, line, prompt_of(request))


def rows_without_success(ledger: Reader, end: int) -> Iterator[RowWithoutSuccess]:
    """Yield the rows before a position that ended without success."""
    rows = ledger.stream("rows_without_success", ledger.before(end))
    for position, line, row_id, status, *reasons in rows:
        yield RowWithoutSuccess(position, line, row_id, Status(status), *reasons)
